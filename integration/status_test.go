package integration

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/instar-project/instar/internal/status"

	"github.com/godbus/dbus/v5"
)

const statusdSocket = `[Socket]
FileDescriptorName=who
ListenStream=/run/statusd.sock
`

const statusdService = `[Unit]
Requires=statusd.socket
After=statusd.socket

[Service]
Type=notify-reload
NotifyAccess=main
ExecStart=/opt/statusd/statusd
ExecReload=/opt/instar/instar reload-verdict --phase=reload %n
ExecReloadPost=/opt/instar/instar reload-verdict --phase=post %n
Restart=always
RestartSec=100ms

DynamicUser=yes
PrivateNetwork=yes
RestrictAddressFamilies=AF_UNIX
ProtectSystem=strict
ProtectHome=yes
ProtectProc=invisible
ProcSubset=pid
ProtectControlGroups=yes
PrivateDevices=yes
PrivateTmp=yes
PrivateUsers=yes
NoNewPrivileges=yes
CapabilityBoundingSet=
MemoryDenyWriteExecute=yes
RestrictNamespaces=yes
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
`

const statusdName = status.NamePrefix + "statusd"

// statusd is a site with the service and the command line installed, running.
type statusd struct{ *site }

func installStatusd(s *site) statusd {
	s.Helper()
	cli, err := builder.Build(s.ctx, "cmd/instar")
	s.must(err)
	s.must(s.manager.Host().CopyIn(cli, statusd{s}.command(), 0o755))
	// The user first: the bus looks it up when it reads the policy.
	s.must(s.manager.Host().WriteFile("/etc/sysusers.d/statusd.conf", []byte("u statusd -\n"), 0o644))
	_, err = s.manager.Run(s.ctx, "systemd-sysusers")
	s.must(err)
	s.release("statusd", "integration/statusd", "version=v1")
	s.must(s.manager.InstallUnit("statusd.socket", statusdSocket))
	s.must(s.manager.InstallUnit("statusd.service", statusdService))
	d := statusd{s}
	d.policy(true)
	s.must(s.manager.DaemonReload(s.ctx))
	s.must(s.manager.Start(s.ctx, "statusd.socket", "statusd.service"))
	return d
}

// policy puts the policy of the bus in place, or takes it away.
func (d statusd) policy(there bool) {
	d.Helper()
	const file = "/etc/dbus-1/system.d/" + statusdName + ".conf"
	if there {
		text, err := status.Policy(statusdName, "statusd")
		d.must(err)
		d.must(d.manager.Host().WriteFile(file, []byte(text), 0o644))
	} else {
		d.must(d.manager.Host().Remove(file))
	}
	_, err := d.busctl("call", "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "ReloadConfig")
	d.must(err)
}

func (d statusd) busctl(args ...string) (string, error) {
	bus := "--system"
	if d.user {
		bus = "--user"
	}
	return d.manager.Run(d.ctx, "busctl", append([]string{bus, "--json=short"}, args...)...)
}

// get is a property as busctl shows it.
func (d statusd) get(property string) string {
	d.Helper()
	out, err := d.busctl("get-property", statusdName, status.Path, status.Interface, property)
	d.must(err)
	return strings.TrimSpace(out)
}

func (d statusd) onBus() bool {
	out, err := d.busctl("call", "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "NameHasOwner", "s", statusdName)
	return err == nil && strings.Contains(out, "true")
}

// generation waits until the main process has that number and is on the bus.
func (d statusd) generation(n int) {
	d.Helper()
	d.eventually(fmt.Sprintf("generation %d is on the bus", n), func() bool {
		out, err := d.busctl("get-property", statusdName, status.Path, status.Interface, "Generation", "Phase")
		return err == nil && strings.Contains(out, fmt.Sprintf(`"data":%d}`, n)) && strings.Contains(out, `"serving"`)
	})
}

// A client that knows nothing of the service reads all, upgrades it, and is told.
func TestStatusByBusctl(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		d := installStatusd(s)
		d.generation(1)
		for _, p := range regexp.MustCompile(`property name="(\w+)"`).FindAllStringSubmatch(status.Introspection, -1) {
			value := d.get(p[1])
			t.Logf("%s %s", p[1], value)
			if strings.Contains(value, `"data":""`) && p[1] != "Revision" && p[1] != "Version" && p[1] != "Unsettled" {
				t.Errorf("%s is empty", p[1])
			}
		}
		if pid := d.get("MainPID"); pid != `{"type":"u","data":`+s.show("statusd", "MainPID")+"}" {
			t.Errorf("MainPID is %s", pid)
		}
		if sockets := d.get("Sockets"); !strings.Contains(sockets, `["who","unix","/run/statusd.sock"]`) {
			t.Errorf("Sockets is %s", sockets)
		}

		// Everyone reads; only root and the service's user call.
		nobody := func(args ...string) error {
			_, err := s.manager.Run(s.ctx, "setpriv", append([]string{"--reuid=65534", "--regid=65534", "--clear-groups", "--", "busctl", "--system"}, args...)...)
			return err
		}
		if err := nobody("get-property", statusdName, status.Path, status.Interface, "Phase"); err != nil {
			t.Error(err)
		}
		if err := nobody("call", statusdName, status.Path, status.Interface, "Upgrade"); err == nil || !strings.Contains(err.Error(), "Access denied") {
			t.Errorf("Upgrade by nobody: %v", err)
		}

		told := d.monitor()
		s.release("statusd", "integration/statusd", "version=v2")
		verdict, err := d.busctl("call", statusdName, status.Path, status.Interface, "Upgrade")
		s.must(err)
		if !strings.Contains(verdict, `"v1"],[2,`) || !strings.Contains(verdict, `"v2"],true,""`) {
			t.Errorf("the verdict is %s", verdict)
		}
		d.generation(2)
		s.eventually("UpgradeEnded is seen", func() bool { return strings.Contains(told(), `"v2"],true,""`) })
		if !strings.Contains(told(), "PropertiesChanged") {
			t.Errorf("no PropertiesChanged: %s", told())
		}
		s.release("statusd", "integration/statusd", "version=bad", "fault=refuse")
		verdict, err = d.busctl("call", statusdName, status.Path, status.Interface, "Upgrade")
		s.must(err)
		if !strings.Contains(verdict, `false,"the successor refused",false`) {
			t.Errorf("the verdict is %s", verdict)
		}
		again, err := d.busctl("call", statusdName, status.Path, status.Interface, "Wait", "t", "2")
		s.must(err)
		if again != verdict {
			t.Errorf("Wait answers %s, Upgrade has answered %s", again, verdict)
		}
	})
}

// monitor makes busctl watch the signals of the service, and returns its output.
func (d statusd) monitor() (seen func() string) {
	d.Helper()
	var stdout buffer
	cmd := d.manager.Command(d.ctx, "busctl", "--system", "--json=short", "monitor", "--match", "type='signal',path='"+status.Path+"'")
	cmd.Stdout = &stdout
	d.must(cmd.Start())
	d.Cleanup(func() {
		_ = cmd.Cancel()
		_ = cmd.Wait()
	})
	d.eventually("busctl monitors", func() bool {
		_, err := d.busctl("emit", status.Path, "org.example.Test", "Anybody")
		d.must(err)
		return strings.Contains(stdout.String(), "Anybody")
	})
	return stdout.String
}

// buffer is a bytes.Buffer for two goroutines.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// The exit status of systemctl reload is the verdict's, one upgrade after the
// other, and the name has an owner all the while.
func TestReloadTellsTheVerdict(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		d := installStatusd(s)
		d.generation(1)
		stop := d.pollOwner()
		generation, attempt := 1, 0
		for i, c := range []struct{ fault, probation, reason string }{
			{fault: "crash", reason: "exited with status 1"},
			{fault: "refuse", reason: "the successor refused"},
			{},
			{},
			{fault: "crash", reason: "exited with status 1"},
			{fault: "hang", reason: "has not called Serve within 2s"},
			{},
			{fault: "die", probation: "5s", reason: "exited with status 1"},
			{fault: "panic", probation: "5s", reason: "exited with status 2"},
			{probation: "300ms"},
			{fault: "refuse", reason: "the successor refused"},
			{},
		} {
			probation := c.probation
			if probation == "" {
				probation = "0s"
			}
			s.release("statusd", "integration/statusd", "version=v"+strconv.Itoa(i+2), "fault="+c.fault, "probation="+probation)
			err := s.manager.Reload(s.ctx, "statusd.service")
			if (err != nil) != (c.fault != "") {
				t.Errorf("reload %d (%q): %v\n%s", i+1, c.fault, err, s.journal())
			}
			var exit *exec.ExitError
			if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
				t.Errorf("reload %d (%q) ends with %v, want exit status 1", i+1, c.fault, err)
			}
			if c.fault == "" {
				generation++
			}
			d.generation(generation)
			// Where the preflight comes first, a build that crashes at once is not started
			// at all.
			refused := c.fault == "crash" && d.systemd() >= 262
			if !refused {
				attempt++
			}
			verdict := d.get("Verdict")
			if !strings.Contains(verdict, fmt.Sprintf(`"data":[%d,`, attempt)) || !strings.Contains(verdict, c.reason) && !refused {
				t.Errorf("after reload %d (%q) the verdict is %s", i+1, c.fault, verdict)
			}
			if state := s.show("statusd", "ActiveState"); state != "active" {
				t.Errorf("after reload %d (%q) the unit is %s", i+1, c.fault, state)
			}
		}
		polls := stop()
		t.Logf("%d polls", polls)
		if polls < 1000 {
			t.Errorf("only %d polls", polls)
		}
		if n := s.show("statusd", "NRestarts"); n != "0" {
			t.Errorf("NRestarts=%s", n)
		}
		// The helper's words are in the journal of the unit, a line each.
		journal, err := s.manager.Journal(s.ctx, "statusd.service")
		s.must(err)
		if n := strings.Count(journal, "instar: upgrade ") + strings.Count(journal, "instar: preflight refused: "); n != 7 {
			t.Errorf("%d lines of the helper, want 7\n%s", n, journal)
		}
	})
}

// pollOwner asks for the name's owner without a break; stop returns how often.
func (d statusd) pollOwner() (stop func() int64) {
	d.Helper()
	raw, err := d.machine.Dial(d.ctx, "unix", "/run/dbus/system_bus_socket")
	d.must(err)
	conn, err := dbus.NewConn(raw)
	d.must(err)
	d.must(conn.Auth([]dbus.Auth{dbus.AuthExternal("0")}))
	d.must(conn.Hello())
	var polls atomic.Int64
	end := make(chan struct{})
	var poller sync.WaitGroup
	poller.Go(func() {
		defer conn.Close()
		for {
			select {
			case <-end:
				return
			default:
			}
			var owner string
			if err := conn.BusObject().Call("org.freedesktop.DBus.GetNameOwner", 0, statusdName).Store(&owner); err != nil {
				d.Errorf("poll %d: %v", polls.Load(), err)
				return
			}
			polls.Add(1)
			time.Sleep(500 * time.Microsecond) // leaves the machine something of its processor
		}
	})
	return func() int64 {
		close(end)
		poller.Wait()
		return polls.Load()
	}
}

// installUserStatusd is installStatusd under the manager of a user.
func installUserStatusd(s *site) statusd {
	s.Helper()
	cli, err := builder.Build(s.ctx, "cmd/instar")
	s.must(err)
	d := statusd{s}
	s.must(s.manager.Host().CopyIn(cli, d.command(), 0o755))
	s.must(s.manager.InstallUnit("statusd.socket", strings.ReplaceAll(statusdSocket, "/run/", "%t/")))
	s.must(s.manager.InstallUnit("statusd.service", `[Service]
Type=notify-reload
NotifyAccess=main
ExecStart=`+s.binary("statusd")+`
ExecReload=`+d.command()+` reload-verdict --user --phase=reload %n
ExecReloadPost=`+d.command()+` reload-verdict --user --phase=post %n
`))
	s.release("statusd", "integration/statusd", "version=v1")
	s.must(s.manager.DaemonReload(s.ctx))
	s.must(s.manager.Start(s.ctx, "statusd.socket", "statusd.service"))
	return d
}

// command is where the command line is installed.
func (d statusd) command() string {
	if d.user {
		return d.manager.Dir() + "/instar"
	}
	return "/opt/instar/instar"
}

// Under the manager of a user it is the user's bus, which needs no policy.
func TestStatusOnUserBus(t *testing.T) {
	onEach(t, asUser(func(t *testing.T, s *site) {
		installUserStatusd(s)
		onBus := func(generation int) func() bool {
			return func() bool {
				out, err := s.manager.Run(s.ctx, "busctl", "--user", "get-property", statusdName, status.Path, status.Interface, "Generation")
				return err == nil && out == fmt.Sprintf("u %d\n", generation)
			}
		}
		s.eventually("it is on the bus", onBus(1))
		s.release("statusd", "integration/statusd", "version=bad", "fault=crash")
		if err := s.manager.Reload(s.ctx, "statusd.service"); err == nil {
			t.Error("systemctl reload has succeeded, the upgrade has not")
		}
		s.release("statusd", "integration/statusd", "version=v2")
		s.reload("statusd")
		s.eventually("generation 2 has the name", onBus(2))
	}))
}

// A service that its bus refuses goes on, and so does one whose bus restarts; the
// helper reports no failure that it cannot know.
func TestStatusWithoutBus(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		d := installStatusd(s)
		d.generation(1)
		d.policy(false)
		s.must(s.manager.Restart(s.ctx, "statusd.service"))
		if d.onBus() {
			t.Error("the name has an owner without a policy")
		}
		s.release("statusd", "integration/statusd", "version=v2")
		s.reload("statusd")
		s.eventually("generation 2 serves", func() bool { return s.show("statusd", "StatusText") == "generation 2 (v2) serving" })
		journal, err := s.manager.Journal(s.ctx, "statusd.service")
		s.must(err)
		for _, want := range []string{"no policy allows this process", "the verdict of the upgrade is not known"} {
			if !strings.Contains(journal, want) {
				t.Errorf("the journal does not say %q\n%s", want, journal)
			}
		}

		d.policy(true)
		d.generation(2)
		_, err = s.manager.Systemctl(s.ctx, "restart", "dbus.service")
		s.must(err)
		d.generation(2)
		s.release("statusd", "integration/statusd", "version=v3")
		s.reload("statusd")
		d.generation(3)
		if n := s.show("statusd", "NRestarts"); n != "0" {
			t.Errorf("NRestarts=%s", n)
		}
		var verdict struct{ Data []any }
		s.must(json.Unmarshal([]byte(d.get("Verdict")), &verdict))
		if len(verdict.Data) != 10 || verdict.Data[3] != true {
			t.Errorf("the verdict is %v", verdict.Data)
		}
	})
}
