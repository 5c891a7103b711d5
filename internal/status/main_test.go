package status

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/instar-project/instar/notify/notifytest"
	"github.com/instar-project/instar/reload"

	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"
)

// Variables that make the test binary a service: where its bus is, and the file
// that says how it behaves.
const (
	addressVariable  = "STATUS_TEST_BUS"
	behaviorVariable = "STATUS_TEST_BEHAVIOUR"
)

const testUnit, testName = "web@1.service", NamePrefix + "web_401"

func TestMain(m *testing.M) {
	if file := os.Getenv(behaviorVariable); file != "" {
		if err := serve(file); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	// Like systemd, this process becomes the parent of a process that loses its
	// predecessor.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		fmt.Fprintln(os.Stderr, "prctl(PR_SET_CHILD_SUBREAPER):", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// serve is the service: "crash" does not get far, "object" says so when it is asked,
// "linger" drains until its end, "prove" has a probation, "slow" takes its time to
// initialise, anything else is its build.
func serve(file string) error {
	time.AfterFunc(time.Minute, func() { os.Exit(3) }) // a test that has lost it
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	build := strings.TrimSpace(string(text))
	probation := time.Duration(0)
	if build == "prove" {
		probation = time.Second
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	svc, err := reload.Open(reload.Config{
		Build:     build,
		Probation: probation,
		Logger:    log,
		Preflight: func(context.Context) error {
			if build == "object" {
				return errors.New("no backend\x00\nat all")
			}
			return nil
		},
	})
	if err != nil {
		return err
	}
	defer svc.Close()
	switch build {
	case "crash":
		return svc.Refuse(fmt.Errorf("no backend\x00 \xff"))
	case "linger":
		svc.Begin()
	case "slow":
		time.Sleep(300 * time.Millisecond)
	}
	ctx := context.Background()
	Export(ctx, svc, Config{Unit: testUnit, Address: os.Getenv(addressVariable), Logger: log})
	return svc.Serve(ctx)
}

// bus is a message bus of the test's own.
type bus struct {
	t       *testing.T
	config  string
	address string
	daemon  *exec.Cmd
}

// startBus starts dbus-daemon(1) with these rules in its policy.
func startBus(t *testing.T, rules string) *bus {
	t.Helper()
	if _, err := exec.LookPath("dbus-daemon"); err != nil {
		t.Skipf("NOT RUN: %v; scripts/install-tools installs it", err)
	}
	dir := t.TempDir()
	b := &bus{t: t, config: filepath.Join(dir, "bus.conf"), address: "unix:path=" + filepath.Join(dir, "bus")}
	err := os.WriteFile(b.config, []byte(`<busconfig><type>session</type><listen>`+b.address+`</listen>
		<policy context="default"><allow user="*"/><allow send_type="signal"/><allow send_requested_reply="true"/>
		<allow receive_type="method_call"/><allow receive_type="signal"/><allow receive_type="method_return"/><allow receive_type="error"/>
		<allow send_destination="org.freedesktop.DBus"/>`+rules+`</policy></busconfig>`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	b.start()
	t.Cleanup(func() { b.stop() })
	return b
}

// open is a policy that allows everything.
const open = `<allow own="*"/><allow send_destination="*" eavesdrop="true"/>`

func (b *bus) start() {
	b.t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		b.t.Fatal(err)
	}
	defer r.Close()
	b.daemon = exec.Command("dbus-daemon", "--nofork", "--print-address=3", "--config-file="+b.config)
	b.daemon.ExtraFiles = []*os.File{w}
	b.daemon.Stderr = os.Stderr
	err = b.daemon.Start()
	w.Close()
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := r.Read(make([]byte, 256)); err != nil {
		b.t.Fatal("dbus-daemon has not started: ", err)
	}
}

func (b *bus) stop() {
	_ = b.daemon.Process.Kill()
	_ = b.daemon.Wait()
}

// dial connects the test to the bus.
func (b *bus) dial() *dbus.Conn {
	b.t.Helper()
	conn, err := connect(b.t.Context(), b.address)
	if err != nil {
		b.t.Fatal(err)
	}
	return conn
}

func (b *bus) client() *Client {
	b.t.Helper()
	c, err := Dial(b.t.Context(), b.address, testName)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { c.Close() })
	return c
}

// unit is a service on a bus.
type unit struct {
	t      *testing.T
	script string
	log    *buffer
	first  int
}

// startUnit starts a service; it is reaped with all its generations at the end.
func (b *bus) startUnit(build string) *unit {
	b.t.Helper()
	u := &unit{t: b.t, script: filepath.Join(b.t.TempDir(), "behaviour"), log: &buffer{}}
	u.deploy(build)
	self, err := os.Executable()
	if err != nil {
		b.t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		b.t.Fatal(err)
	}
	cmd := exec.Command(self)
	manager := notifytest.Start(b.t) // without one, a process started by hand is not upgraded
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+manager.Address(), addressVariable+"="+b.address, behaviorVariable+"="+u.script, "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = w
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	w.Close()
	u.first = cmd.Process.Pid
	read := make(chan struct{})
	go func() {
		defer close(read)
		buf := make([]byte, 4096)
		for {
			n, err := r.Read(buf)
			u.log.Write(buf[:n])
			if err != nil {
				return
			}
		}
	}()
	b.t.Cleanup(func() {
		_ = unix.Kill(-u.first, unix.SIGKILL)
		<-read // every generation has it open
		r.Close()
		for {
			if _, err := unix.Wait4(-u.first, nil, 0, nil); err != nil && err != unix.EINTR {
				break
			}
		}
		if b.t.Failed() {
			b.t.Log(u.log.String())
		}
	})
	return u
}

func (u *unit) deploy(build string) {
	u.t.Helper()
	if err := os.WriteFile(u.script, []byte(build), 0o600); err != nil {
		u.t.Fatal(err)
	}
}

// buffer is a bytes.Buffer for two goroutines.
type buffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *buffer) Write(p []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
