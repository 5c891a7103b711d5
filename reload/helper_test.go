package reload

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/instar-project/instar/fdstore"
	"github.com/instar-project/instar/internal/handover"
	"github.com/instar-project/instar/internal/standin"
	"github.com/instar-project/instar/internal/testkit"

	"golang.org/x/sys/unix"
)

// Variables that configure the service under test; a successor inherits them.
const (
	readyVariable  = "RELOAD_TEST_READY"
	drainVariable  = "RELOAD_TEST_DRAIN"
	publicVariable = "RELOAD_TEST_PUBLIC"
	allowVariable  = "RELOAD_TEST_ALLOW_FOREIGN"

	standbyVariable = "RELOAD_TEST_STANDBY"
	endVariable     = "RELOAD_TEST_END"
)

// behave is main of the test binary in the role of a service. Its behaviour is the
// content of a file, which a test changes between two generations.
func behave(file string) int {
	// A service that its test has lost must not stay for ever.
	time.AfterFunc(time.Minute, func() { os.Exit(3) })
	text, err := os.ReadFile(file)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	behaviour, argument, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	start := standin.Start
	switch behaviour {
	case "exit":
		status, _ := strconv.Atoi(argument)
		return status
	case "say": // on the line, instead of the protocol
		fd, _ := strconv.Atoi(os.Getenv(handoverVariable) + os.Getenv(preflightVariable))
		if err := unix.Send(fd, []byte(argument), 0); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		select {}
	case "stderr":
		fmt.Fprintln(os.Stderr, strings.ReplaceAll(argument, `\n`, "\n"))
		return 1
	case "stuck": // before it calls Open
		select {}
	case "reshape":
		if err := reshape(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	case "panic-early":
		panic("early")
	case "hangup": // as systemctl kill --signal=HUP does it, that many times
		tries, file, _ := strings.Cut(argument, " ")
		n, _ := strconv.Atoi(tries)
		done, _ := os.ReadFile(file)
		if len(done) < n {
			_ = os.WriteFile(file, append(done, '.'), 0o666)
			_ = unix.Kill(os.Getpid(), unix.SIGHUP)
			select {}
		}
	case "no-stand-in": // as if there were a limit, but for the third try
		tries := 0
		start = func() (*standin.Process, error) {
			if tries++; tries < 3 {
				return nil, errors.New("no " + argument)
			}
			return standin.Start()
		}
	case "tells-stand-in":
		start = func() (*standin.Process, error) {
			fmt.Fprintln(stderr, "a stand-in for a child of", os.Getppid())
			return standin.Start()
		}
	case "major-2": // is all of the service, but of another time
		handover.Current.Major = 2
	}
	Main(configure(behaviour, argument), func(ctx context.Context, svc *Service) error {
		svc.startStandIn = start
		return service(ctx, svc, behaviour, argument)
	})
	panic("Main has returned")
}

func configure(behaviour, argument string) Config {
	ready, _ := time.ParseDuration(os.Getenv(readyVariable))
	drain, _ := time.ParseDuration(os.Getenv(drainVariable))
	standby, _ := time.ParseDuration(os.Getenv(standbyVariable))
	end, _ := time.ParseDuration(os.Getenv(endVariable))
	return Config{
		ReadyTimeout: ready,
		DrainTimeout: drain,
		Standby:      standby,
		EndTimeout:   end,
		Build:        "test",

		PublicReasons: os.Getenv(publicVariable) != "",
		AllowForeign:  os.Getenv(allowVariable) != "",

		Logger:    slog.New(slog.NewJSONHandler(stderr, nil)),
		Preflight: func(ctx context.Context) error { return check(ctx, behaviour, argument) },
	}
}

func service(ctx context.Context, svc *Service, behaviour, argument string) error {
	ln, err := svc.Listener("echo")
	if err != nil {
		return err
	}
	if behaviour == "stream" { // and no packets
		return svc.Serve(ctx, Streams(ln, func(_ context.Context, c net.Conn) { converse(svc, c) }))
	}
	pc, err := svc.PacketConn("udp")
	if err != nil {
		return err
	}
	switch behaviour {
	case "hang":
		select {}
	case "panic":
		go panic("oh")
		select {}
	case "panic-main": // while Close is deferred
		panic(errors.New("postgres://me:secret@db"))
	case "return":
		return nil
	case "close":
		svc.Close()
		select {}
	case "open":
		_, err := os.Open(argument)
		return svc.Refuse(err)
	case "return-error":
		return errors.New(argument)
	case "return-other": // than that of the last getter
		_, _ = svc.Listener("nothing")
		return errors.New(argument)
	case "refuse":
		return svc.Refuse(errors.New(strings.ReplaceAll(argument, `\n`, "\n")))
	case "ask": // for a socket that is not there
		if _, err := svc.Listener(argument); err != nil {
			return err
		}
	case "ask-more":
		_, err := svc.Listener(argument)
		return fmt.Errorf("first that: %w, then this", err)
	case "wait": // for somebody to open the FIFO for writing
		if err := os.WriteFile(argument+".waits", nil, 0o600); err != nil {
			return err
		}
		f, err := os.Open(argument)
		if err != nil {
			return err
		}
		f.Close()
	case "linger": // when all is done
		err := svc.Serve(ctx, Streams(ln, func(_ context.Context, c net.Conn) { converse(svc, c) }))
		svc.log.Info("lingers", "error", err)
		select {}
	case "admit-hangs":
		return svc.Serve(ctx, Admit(ln, func(context.Context, net.Conn) { select {} }))
	case "adopt-hangs", "adopt-fails", "park-hangs":
		if err := svc.Keep("", badKeeper(behaviour)); err != nil {
			return err
		}
	case "ignore": // messages that are not for it
		time.AfterFunc(100*time.Millisecond, func() {
			for signal.Ignore(reloadSignal); signal.Ignored(reloadSignal); time.Sleep(time.Millisecond) {
			}
			svc.log.Info("SIGHUP is handled again")
		})
	case "fail": // in Serve
		return svc.Serve(ctx, failingServer{})
	}
	packets := Packets(pc, func([]byte, net.Addr) []byte { return fmt.Append(nil, svc.Generation()) })
	if behaviour == "end-in-drain" {
		packets = oneWay{packets}
	}
	return svc.Serve(ctx, Streams(ln, func(_ context.Context, c net.Conn) { converse(svc, c) }), packets)
}

// oneWay is a server as most libraries have one: it ends in a drain, for good.
type oneWay struct{ Server }

func (s oneWay) Drain(Drain) { s.Close() }

// check is asked in a preflight.
func check(ctx context.Context, behaviour, argument string) error {
	switch behaviour {
	case "object":
		return errors.New(strings.ReplaceAll(argument, `\n`, "\n"))
	case "ponder": // and note how far it is
		if err := os.WriteFile(argument, []byte("asked"), 0o666); err != nil {
			return err
		}
		<-ctx.Done()
		return os.WriteFile(argument, []byte(ctx.Err().Error()), 0o666)
	case "panic-check":
		panic("in the check")
	}
	return nil
}

// converse answers a question a line.
func converse(svc *Service, c net.Conn) {
	for questions := bufio.NewScanner(c); questions.Scan(); {
		switch questions.Text() {
		case "who":
			fmt.Fprintln(c, svc.Generation(), svc.Phase())
		case "draining":
			fmt.Fprintln(c, len(svc.Snapshot().Draining))
		case "preflight":
			fmt.Fprintln(c, svc.Preflight(context.Background()))
		case "command":
			command := svc.Command()
			dir, _ := os.Getwd()
			fmt.Fprintln(c, command.Argv[1:], slices.Contains(command.Environ, "RELOAD_TEST_OWN=1"), command.Dir, dir)
		case "what":
			fmt.Fprintln(c, runtime.NumGoroutine(), len(testkit.Descriptors("/proc/self/fd")))
		case "unsettled":
			fmt.Fprintln(c, svc.unsettled())
		case "fill": // no descriptor is free any more
			fmt.Fprintln(c, limitDescriptors(func(l *unix.Rlimit) { l.Cur = 3 }))
		case "hoard": // until none is free
			n, err := 0, limitDescriptors(func(l *unix.Rlimit) { l.Cur = 64 })
			for err == nil {
				_, err = unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)
				n++
			}
			fmt.Fprintln(c, n > 0, err)
		case "empty":
			fmt.Fprintln(c, limitDescriptors(func(l *unix.Rlimit) { l.Cur = l.Max }))
		}
	}
}

// stderr is the one that the process was started with.
var stderr = os.Stderr

// reshape changes all of the process that a program may change before it calls Open.
func reshape() error {
	os.Args = []string{"sleep", "600"}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	os.Stderr = w
	go io.Copy(io.Discard, r)
	return errors.Join(os.Setenv("RELOAD_TEST_OWN", "1"), os.Chdir("/"), os.Stdout.Close())
}

func limitDescriptors(change func(*unix.Rlimit)) error {
	var limit unix.Rlimit
	if err := unix.Prlimit(0, unix.RLIMIT_NOFILE, nil, &limit); err != nil {
		return err
	}
	change(&limit)
	return unix.Prlimit(0, unix.RLIMIT_NOFILE, &limit, nil)
}

// badKeeper has nothing to keep. It is well until it has parked for the first time,
// or is a successor.
type badKeeper string

func (k badKeeper) Adopt(_ context.Context, _ *fdstore.Store, from Origin) error {
	switch {
	case k == "adopt-hangs" && from == FromTakeBack:
		stderr.WriteString(`{"msg":"adopting hangs"}` + "\n")
		select {}
	case k == "adopt-fails" && from == FromUpgrade:
		return errors.New("no luck")
	}
	return nil
}

func (k badKeeper) Park(context.Context, *fdstore.Store) error {
	if k == "park-hangs" {
		select {}
	}
	return nil
}

type failingServer struct{}

func (failingServer) Serve() error { return errors.New("no\nluck") }
func (failingServer) Drain(Drain)  {}
func (failingServer) Resume()      {}
func (failingServer) Close() error { return nil }
