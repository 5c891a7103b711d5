package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/instar-project/instar/internal/status"

	"github.com/godbus/dbus/v5"
)

// startBus starts a bus that lets everyone do everything, and makes it that of the
// commands.
func startBus(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("dbus-daemon"); err != nil {
		t.Skipf("NOT RUN: %v; scripts/install-tools installs it", err)
	}
	dir := t.TempDir()
	config, address := filepath.Join(dir, "bus.conf"), "unix:path="+filepath.Join(dir, "bus")
	err := os.WriteFile(config, []byte(`<busconfig><type>session</type><listen>`+address+`</listen>
		<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*" eavesdrop="true"/>
		<allow send_type="signal"/><allow send_requested_reply="true"/><allow receive_type="method_call"/>
		<allow receive_type="signal"/><allow receive_type="method_return"/><allow receive_type="error"/></policy></busconfig>`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	daemon := exec.Command("dbus-daemon", "--nofork", "--print-address=3", "--config-file="+config)
	daemon.ExtraFiles = []*os.File{w}
	err = daemon.Start()
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = daemon.Process.Kill()
		_ = daemon.Wait()
	})
	if _, err := r.Read(make([]byte, 256)); err != nil {
		t.Fatal("dbus-daemon has not started: ", err)
	}
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
}

// serveState answers on the bus for the service of a unit.
func serveState(t *testing.T, unit string, all func() map[string]dbus.Variant) {
	t.Helper()
	conn, err := dbus.Connect(os.Getenv("DBUS_SYSTEM_BUS_ADDRESS"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	err = conn.ExportMethodTable(map[string]any{
		"GetAll": func(string) (map[string]dbus.Variant, *dbus.Error) { return all(), nil },
	}, status.Path, "org.freedesktop.DBus.Properties")
	if err != nil {
		t.Fatal(err)
	}
	name, err := status.Name(unit)
	if err != nil {
		t.Fatal(err)
	}
	if reply, err := conn.RequestName(name, 0); err != nil || reply != dbus.RequestNameReplyPrimaryOwner {
		t.Fatal(reply, err)
	}
}

// Every service is asked at the same time: one that hangs is a row that says so, and
// delays no other. A row has the unit of the name, whatever the service calls itself,
// and nothing that it says reaches the terminal raw.
func TestStatusOfBadCompany(t *testing.T) {
	startBus(t)
	// One after the other would never answer: each waits until the other is asked.
	meeting := make(chan struct{})
	well := map[string]dbus.Variant{"Generation": dbus.MakeVariant(uint32(2)), "Phase": dbus.MakeVariant("serving")}
	serveState(t, "left.service", func() map[string]dbus.Variant { meeting <- struct{}{}; return well })
	serveState(t, "right.service", func() map[string]dbus.Variant { <-meeting; return well })
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	serveState(t, "hung.service", func() map[string]dbus.Variant { <-hang; return nil })
	serveState(t, "hostile.service", func() map[string]dbus.Variant {
		return map[string]dbus.Variant{
			"Unit":       dbus.MakeVariant("sshd.service"),
			"Generation": dbus.MakeVariant(uint32(1)),
			"Phase":      dbus.MakeVariant("\x1b[2Jserving"),
			"Build":      dbus.MakeVariant("v\u009b31m\u202e"),
		}
	})
	for _, args := range []string{"status", "status --json"} {
		var stdout bytes.Buffer
		cmd := root()
		cmd.SetOut(&stdout)
		cmd.SetArgs(strings.Fields(args))
		if err := cmd.ExecuteContext(t.Context()); err != nil {
			t.Errorf("%s: %v", args, err)
		}
		if r, ok := steers(stdout.String(), '\n'); ok {
			t.Errorf("%s lets %U through", args, r)
		}
		for _, want := range []string{"hostile.service", "left.service", "right.service", "hung.service", "it does not answer within 3s: it hangs, or is stopped"} {
			if !strings.Contains(stdout.String(), want) {
				t.Errorf("%s does not say %q:\n%s", args, want, stdout.String())
			}
		}
		if strings.Contains(stdout.String(), "sshd.service") {
			t.Errorf("%s takes the word of a service for its unit:\n%s", args, stdout.String())
		}
		if n := strings.Count(stdout.String(), "does not answer"); n != 1 {
			t.Errorf("%s: %d services do not answer, want 1:\n%s", args, n, stdout.String())
		}
	}
}

// The view of all others does not wait for a service that has not answered before.
func TestWatchDoesNotWaitAgain(t *testing.T) {
	startBus(t)
	hang := make(chan struct{})
	asked := make(chan context.Context, 16)
	t.Cleanup(func() { close(hang) })
	serveState(t, "hung.service", func() map[string]dbus.Variant {
		asked <- t.Context()
		<-hang
		return nil
	})
	o := new(options)
	s, err := o.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	v := &view{options: o, site: s}
	var took [2]time.Duration
	for i := range took {
		began := time.Now()
		all, err := v.reports(t.Context())
		if err != nil || len(all) != 1 || !strings.Contains(all[0].Problem, "does not answer") {
			t.Fatalf("%+v, %v", all, err)
		}
		took[i] = time.Since(began)
		<-asked
	}
	if took[1] >= took[0] {
		t.Errorf("the first look has waited for %v, the next for %v", took[0], took[1])
	}
}

// A process that has ended is quoted with its last lines, or with the first ones of
// a Go program's crash.
func TestTelling(t *testing.T) {
	lines := []string{"serving", "panic: assignment to entry in nil map", "", "goroutine 1 [running]:", "main.main()", "\t/src/main.go:27"}
	for _, c := range []struct{ said, want string }{
		{strings.Join(lines, "|"), strings.Join(lines[1:4], "|")},
		{"a|b|c|d", "b|c|d"},
		{"a", "a"},
	} {
		if got := strings.Join(telling(strings.Split(c.said, "|")), "|"); got != c.want {
			t.Errorf("%q: %q, want %q", c.said, got, c.want)
		}
	}
}
