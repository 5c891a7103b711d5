package integration

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/instar-project/instar/integration/load"
	"github.com/instar-project/instar/integration/machine"
	"github.com/instar-project/instar/integration/stage"
)

// site is where a test has its services: a manager to install units into, on a
// machine. Its methods fail the test instead of returning errors.
type site struct {
	*testing.T
	ctx     context.Context
	machine *machine.Machine // nil: this host
	manager *machine.Manager
	user    bool   // the manager is a user's
	runtime string // where its sockets are: %t of systemd.unit(5)
}

// where the services of the examples listen.
const webAddress = "127.0.0.1:8080"

func (s *site) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// binary is where the unit of a service expects it.
func (s *site) binary(service string) string {
	if s.user {
		return filepath.Join(s.manager.Dir(), service, service)
	}
	return filepath.Join("/opt", service, service)
}

// sandbox matches settings that the manager of a user has no right to apply.
var sandbox = regexp.MustCompile(`(?m)^(DynamicUser|Private|Restrict(Address|Names|Real|SUID)|IPAddress|Protect|ProcSubset|NoNew|Capability|Lock|MemoryDeny|RemoveIPC|SystemCall|UMask).*\n`)

// install puts the units of an example in place, with drop-in settings for its
// service, such as "Restart=no", and starts its sockets.
func (s *site) install(service string, settings ...string) {
	s.Helper()
	s.installFrom("examples/"+service, settings...)
}

// installFrom is install of the units in a folder that has the service's name.
func (s *site) installFrom(folder string, settings ...string) {
	s.Helper()
	service := filepath.Base(folder)
	units, err := stage.Units(s.ctx, folder)
	s.must(err)
	var sockets, names []string
	for name, unit := range units {
		if s.user {
			unit = sandbox.ReplaceAllString(unit, "")
			unit = strings.ReplaceAll(unit, "=/run/", "=%t/")
			unit = strings.ReplaceAll(unit, filepath.Join("/opt", service, service), s.binary(service))
		}
		s.must(s.manager.InstallUnit(name, unit))
		names = append(names, name)
		if strings.HasSuffix(name, ".socket") {
			sockets = append(sockets, name)
		}
	}
	if len(settings) > 0 {
		s.must(s.manager.InstallUnit(service+".service.d/test.conf", "[Service]\n"+strings.Join(settings, "\n")+"\n"))
	}
	s.must(s.manager.DaemonReload(s.ctx))
	s.must(s.manager.Start(s.ctx, sockets...))
	if s.machine == nil {
		// This host stays in use.
		s.Cleanup(func() {
			ctx := context.Background()
			_ = s.manager.Stop(ctx, names...)
			for _, name := range append(names, service+".service.d/test.conf") {
				_ = s.manager.RemoveUnit(name)
			}
			_ = s.manager.DaemonReload(ctx)
			_ = s.manager.ResetFailed(ctx, names...)
		})
	}
}

// run runs a command where the services are.
func (s *site) run(name string, args ...string) (string, error) {
	out, err := s.manager.Host().Command(s.ctx, name, args...).Output()
	return string(out), err
}

// release replaces a service's binary by a build of folder with stamps.
func (s *site) release(service, folder string, stamps ...string) {
	s.Helper()
	path, err := builder.Build(s.ctx, folder, stamps...)
	s.must(err)
	s.must(s.manager.Host().CopyIn(path, s.binary(service), 0o755))
}

// reload is systemctl reload, for a service that must stay.
func (s *site) reload(service string) {
	s.Helper()
	s.must(s.manager.Reload(s.ctx, service+".service"))
}

// upgrade is a reload that succeeds, and returns the new main process. systemctl has
// seen READY=1; MAINPID= is right behind.
func (s *site) upgrade(service string) (successor int) {
	s.Helper()
	predecessor := s.mainPID(service)
	s.reload(service)
	s.eventually("the main process is another one", func() bool {
		successor = s.mainPID(service)
		return successor != predecessor && successor != 0
	})
	return successor
}

func (s *site) show(service, property string) string {
	s.Helper()
	value, err := s.manager.Property(s.ctx, service+".service", property)
	s.must(err)
	return value
}

// mainPID is the PID on this host of the service's main process.
func (s *site) mainPID(service string) int {
	s.Helper()
	pid, err := s.manager.MainPID(s.ctx, service+".service")
	if errors.Is(err, fs.ErrNotExist) {
		return 0 // it has just died
	}
	s.must(err)
	return pid
}

// eventually waits until so reports true.
func (s *site) eventually(what string, so func() bool) {
	s.Helper()
	for pause := 5 * time.Millisecond; !so(); pause = min(2*pause, 100*time.Millisecond) {
		select {
		case <-s.ctx.Done():
			s.Fatalf("waited in vain for this: %s\n%s", what, s.journal())
		case <-time.After(pause):
		}
	}
}

// journal is the end of the whole machine's log.
func (s *site) journal() string {
	cmd := s.manager.Host().Command(context.Background(), "journalctl", "--boot", "--no-pager", "--output=short-monotonic", "--lines=200")
	text, err := cmd.Output()
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// gone waits until a process has ended.
func (s *site) gone(pid int) {
	s.Helper()
	s.eventually(fmt.Sprintf("process %d ends", pid), func() bool {
		_, err := os.Stat(fmt.Sprintf("/proc/%d", pid))
		return os.IsNotExist(err)
	})
}

// answer is the answer of a web service.
type answer struct {
	generation int
	build      string
	close      bool // the connection is to be closed
	goroutines int  // of integration/faulty
	draining   string
}

func readAnswer(r *bufio.Reader) (answer, error) {
	return saidBy(load.Answer(r))
}

func saidBy(res *http.Response, err error) (answer, error) {
	if err != nil {
		return answer{}, err
	}
	n, err := strconv.Atoi(res.Header.Get("X-Generation"))
	goroutines, _ := strconv.Atoi(res.Header.Get("X-Goroutines"))
	return answer{n, res.Header.Get("X-Build"), res.Close, goroutines, res.Header.Get("X-Draining")}, err
}

// ask makes one request on a connection of its own.
func (s *site) ask(path string) answer {
	s.Helper()
	a, err := s.tryAsk(path)
	s.must(err)
	return a
}

func (s *site) tryAsk(path string) (answer, error) {
	return saidBy(load.Ask(s.ctx, s.manager.Host().Dial, webAddress, path))
}

// load puts load on the web service, and on the echo service if it is there,
// until the function it returns is called; that one fails the test if the
// clients have lost anything. changes are of the clients.
func (s *site) load(echo bool, changes ...func(*load.Config)) (stop func() load.Counts) {
	s.Helper()
	config := load.Config{
		Dial: s.manager.Host().Dial,
		Web: []load.Endpoint{
			{Network: "tcp", Address: webAddress},
			{Network: "unix", Address: s.runtime + "/web.sock"},
		},
		Short:     load.Clients{Count: 4, Rate: 200},
		KeepAlive: load.Clients{Count: 8, Rate: 400},
		HTTP2:     load.Clients{Count: 4, Rate: 100},
		Thinking:  6,
		Think:     load.Range{Min: 20 * time.Millisecond, Max: 500 * time.Millisecond},
	}
	if echo {
		config.Streams = []load.Endpoint{
			{Network: "tcp", Address: "127.0.0.1:7000"},
			{Network: "unix", Address: s.runtime + "/echo/stream.sock"},
			{Network: "unixpacket", Address: s.runtime + "/echo/packet.sock"},
		}
		config.Queries = []load.Endpoint{{Network: "udp", Address: "127.0.0.1:7000"}}
		config.StreamLife = load.Range{Min: time.Second, Max: 3 * time.Second}
	}
	for _, change := range changes {
		change(&config)
	}
	l, err := load.Start(s.ctx, config)
	s.must(err)
	return func() load.Counts {
		s.Helper()
		c := l.Stop()
		if c.Lost() {
			s.Errorf("failed %d of %d requests, broken %d of %d streams, lost %d of %d queries: %v",
				c.Failed, c.Requests, c.StreamsBroken, c.Streams, c.UDPLost, c.UDPQueries, c.Failures)
		}
		return c
	}
}
