package integration

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/instar-project/instar/internal/units"
)

// webService is examples/web as package units writes it. It shows no status: nothing
// can answer for its upgrades.
func webService() units.Service {
	return units.Service{
		Name:        "web",
		Description: "Example web service",
		ExecStart:   []string{"/opt/web/web"},
		Sockets: []units.Socket{{
			Name:   "http",
			Listen: []units.Listen{units.Stream("8080"), units.Stream("/run/web.sock")},
		}},
	}
}

// write installs the units of package units, with drop-ins such as
// "web.service.d/test.conf", and returns the paths of the unit files.
func (s *site) write(service units.Service, dropIns map[string]string) (paths []string) {
	s.Helper()
	files, err := units.Write(service)
	s.must(err)
	for _, f := range files {
		s.must(s.manager.InstallUnit(f.Name, f.Text))
		paths = append(paths, s.manager.UnitDir()+"/"+f.Name)
	}
	for name, text := range dropIns {
		s.must(s.manager.InstallUnit(name, text))
	}
	s.must(s.manager.DaemonReload(s.ctx))
	return paths
}

// units connects to the machine's systemd.
func (s *site) units() *units.Conn {
	s.Helper()
	c, err := units.DialWith(s.ctx, func(ctx context.Context) (io.ReadWriteCloser, error) {
		return s.machine.Dial(ctx, "unix", "/run/dbus/system_bus_socket")
	})
	s.must(err)
	s.Cleanup(func() { c.Close() })
	return c
}

// version is the major version of the machine's systemd.
func (s *site) version() int {
	s.Helper()
	digits := regexp.MustCompile(`^\d+`).FindString(s.machine.Image().Systemd)
	v, err := strconv.Atoi(digits)
	s.must(err)
	return v
}

var exposure = regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`)

// No systemd objects to the units of Write, they leave hardly a way out of the
// sandbox, and the service is upgraded under load.
func TestWrittenUnits(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.release("web", "examples/web", "version=v1")
		paths := s.write(webService(), nil)

		pair, err := units.Load([]string{s.machine.Root() + s.manager.UnitDir()}, "web.service")
		s.must(err)
		if findings := verify(pair, s.version()); len(findings) > 0 {
			t.Errorf("Verify of the files: %v", findings)
		}
		findings, err := units.Analyze(s.ctx, s.machine.Command, units.System, paths...)
		if err != nil || len(findings) > 0 {
			t.Errorf("systemd-analyze verify: %v, %v", findings, err)
		}
		for _, outbound := range []bool{true, false} {
			service := webService()
			service.Outbound = outbound
			s.write(service, nil)
			said, err := s.machine.Run(s.ctx, "systemd-analyze", "security", "--no-pager", "web.service")
			s.must(err)
			m := exposure.FindStringSubmatch(said)
			if m == nil {
				t.Fatalf("systemd-analyze security says no score:\n%s", said)
			}
			score, err := strconv.ParseFloat(m[1], 64)
			s.must(err)
			t.Logf("outbound %v: exposure %.1f", outbound, score)
			if score > 1.5 {
				t.Errorf("outbound %v: exposure %.1f, want at most 1.5\n%s", outbound, score, said)
			}
		}

		s.must(s.manager.Start(s.ctx, "web.socket", "web.service"))
		conn := s.units()
		pair, err = conn.Pair(s.ctx, "web.service")
		s.must(err)
		if findings := verify(pair, s.version()); len(findings) > 0 {
			t.Errorf("Verify of the live units: %v", findings)
		}

		stop := s.load(false)
		for generation := 2; generation <= 4; generation++ {
			s.release("web", "examples/web", fmt.Sprintf("version=v%d", generation))
			s.must(conn.Reload(s.ctx, "web.service"))
			if a := s.ask("/"); a.generation != generation {
				t.Errorf("after the upgrade to generation %d it answers as %+v\n%s", generation, a, s.journal())
			}
		}
		stop()
		if n := s.show("web", "NRestarts"); n != "0" {
			t.Errorf("NRestarts=%s", n)
		}
	})
}

// verify is units.Verify for a service without a helper that answers for upgrades.
func verify(pair units.Pair, systemd int) []units.Finding {
	return slices.DeleteFunc(units.Verify(pair, units.Options{Systemd: systemd}), func(f units.Finding) bool {
		return f.Rule == "reload-verdict"
	})
}

// The same service under the manager of a user.
func TestWrittenUserUnits(t *testing.T) {
	onEach(t, asUser(func(t *testing.T, s *site) {
		service := webService()
		service.Scope = units.User
		service.ExecStart = []string{s.binary("web")}
		service.Sockets[0].Listen[1] = units.Stream("%t/web.sock")
		s.release("web", "examples/web", "version=v1")
		paths := s.write(service, nil)
		findings, err := units.Analyze(s.ctx, s.manager.Command, units.User, paths...)
		if err != nil || len(findings) > 0 {
			t.Errorf("systemd-analyze verify: %v, %v", findings, err)
		}
		s.must(s.manager.Start(s.ctx, "web.socket", "web.service"))
		stop := s.load(false)
		s.release("web", "examples/web", "version=v2")
		s.reload("web")
		if a := s.ask("/"); a.generation != 2 || a.build != "v2" {
			t.Errorf("after the upgrade it answers as %+v", a)
		}
		stop()
	}))
}

// Verify knows the members of a set of system calls; a live unit's filter has the
// calls themselves, as this systemd sees the set. Both say the same.
func TestSystemCallSets(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		conn := s.units()
		forbidden := func(pair units.Pair) string {
			for _, f := range units.Verify(pair, units.Options{Store: 1}) {
				if f.Rule == "system-call-filter" {
					return f.Reason
				}
			}
			return ""
		}
		for _, set := range []string{"@default", "@basic-io", "@file-system", "@ipc", "@network-io", "@process", "@signal", "@system-service"} {
			s.write(webService(), map[string]string{"web.service.d/set.conf": "[Service]\nSystemCallFilter=\nSystemCallFilter=" + set + "\n"})
			file, err := units.Load([]string{s.machine.Root() + s.manager.UnitDir()}, "web.service")
			s.must(err)
			live, err := conn.Pair(s.ctx, "web.service")
			s.must(err)
			if inFile, inLive := forbidden(file), forbidden(live); inFile != inLive {
				t.Errorf("SystemCallFilter=%s: from the file Verify says\n%s\nand from the live unit\n%s", set, inFile, inLive)
			}
		}
	})
}

// A live unit as a client of the bus sees it, through an upgrade, a reload that
// fails, and the end of the bus.
func TestLiveUnits(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.release("web", "examples/web", "version=v1")
		service := webService()
		service.Store = 8
		s.write(service, map[string]string{
			"web.service.d/a.conf": "[Service]\nNotifyAccess=all\nExecStartPost=-/usr/bin/systemd-notify --fd=0 --fdname=kept\n",
		})
		conn := s.units()

		if v, err := conn.Version(s.ctx); v != s.version() || err != nil {
			t.Errorf("Version: %d, %v", v, err)
		}
		if status, err := conn.Query(s.ctx, "none.service"); status.Load != "not-found" || err != nil {
			t.Errorf("Query of no unit: %+v, %v", status, err)
		}
		if _, err := conn.Pair(s.ctx, "none.service"); !errors.Is(err, units.ErrNotFound) {
			t.Errorf("Pair of no unit: %v", err)
		}
		if _, err := conn.Query(s.ctx, "none"); err == nil {
			t.Error("Query of a text that is no unit's name has no error")
		}

		s.must(s.manager.Start(s.ctx, "web.socket", "web.service"))
		status, err := conn.Query(s.ctx, "web.service")
		s.must(err)
		if want := s.show("web", "MainPID"); status.Load != "loaded" || status.Active != "active" || status.Sub != "running" ||
			strconv.Itoa(status.MainPID) != want || status.Text != "generation 1 (v1) serving" || status.Job != nil ||
			status.ActiveEnter.IsZero() || status.StoreMax != 8 || status.StoreEntries != 1 ||
			status.FragmentPath != "/etc/systemd/system/web.service" || len(status.DropInPaths) != 1 || status.NeedDaemonReload {
			t.Errorf("Query: %+v, MainPID is %s", status, want)
		}
		store, err := conn.Store(s.ctx, "web.service")
		if err != nil || len(store) != 1 || store[0].Name != "kept" || store[0].Path != "/dev/null" || store[0].Mode&fs.ModeCharDevice == 0 {
			t.Errorf("Store: %+v, %v", store, err)
		}

		// Every state on the way to the next generation, and then no more.
		watching, cancel := context.WithCancel(s.ctx)
		defer cancel()
		seen := make(chan units.Status)
		go func() {
			defer close(seen)
			for status, err := range conn.Watch(watching, "web.service") {
				if err != nil {
					t.Errorf("Watch: %v", err)
					return
				}
				seen <- status
			}
		}()
		if first := <-seen; first.Text != "generation 1 (v1) serving" {
			t.Errorf("Watch begins with %+v", first)
		}
		reloaded := make(chan error, 1)
		go func() { reloaded <- conn.Reload(s.ctx, "web.service") }()
		for status := range seen {
			if status.MainPID != 0 && status.Text == "generation 2 (v1) serving" && status.Active == "active" {
				cancel()
			}
		}
		s.must(<-reloaded)

		s.must(s.manager.InstallUnit("web.service.d/b.conf", "[Service]\nExecReload=/bin/false\n"))
		if status, err := conn.Query(s.ctx, "web.service"); err != nil || !status.NeedDaemonReload {
			t.Errorf("after a change of the files: %+v, %v", status, err)
		}
		s.must(s.manager.DaemonReload(s.ctx))
		var failed *units.JobError
		if err := conn.Reload(s.ctx, "web.service"); !errors.As(err, &failed) || failed.Result != "failed" || failed.Unit != "web.service" {
			t.Errorf("a reload whose ExecReload= fails: %v", err)
		}
		if err := conn.Reload(s.ctx, "none.service"); err == nil {
			t.Error("a reload of no unit has no error")
		}

		// A job that waits, and a bus that goes away under it.
		s.must(s.manager.InstallUnit("slow.service", "[Service]\nExecStart=/bin/sleep infinity\nExecReload=/bin/sleep infinity\n"))
		s.must(s.manager.DaemonReload(s.ctx))
		s.must(s.manager.Start(s.ctx, "slow.service"))
		waits := make(chan error, 1)
		go func() { waits <- conn.Reload(s.ctx, "slow.service") }()
		s.eventually("the job is there", func() bool {
			status, err := conn.Query(s.ctx, "slow.service")
			s.must(err)
			jobs, err := conn.Jobs(s.ctx)
			s.must(err)
			return status.Job != nil && status.Job.Type == "reload" && len(jobs) == 1 && jobs[0].Unit == "slow.service"
		})
		s.must(conn.Close())
		if err := <-waits; err == nil {
			t.Error("a Reload on a connection that is closed has no error")
		}
		if _, err := conn.Query(s.ctx, "web.service"); err == nil {
			t.Error("a Query on a connection that is closed has no error")
		}
	})
}
