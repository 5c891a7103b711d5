package reload

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestSuccessorEnviron(t *testing.T) {
	kept := []string{
		"PATH=/usr/bin", "EMPTY=", "TWICE=1", "TWICE=2", "VALUE=a=b",
		"INVOCATION_ID=1", "JOURNAL_STREAM=8:1", "STATE_DIRECTORY=/var/lib/x",
		"CREDENTIALS_DIRECTORY=/run/credentials/x", "WATCHDOG_USEC=3000000", "FDSTORE=512",
		"LISTEN_PIDS=mine", "XLISTEN_FDS=mine",
	}
	stripped := []string{
		"LISTEN_PID=1", "LISTEN_PIDFDID=2", "LISTEN_FDS=3", "LISTEN_FDNAMES=a:b", "WATCHDOG_PID=1",
		"SYSTEMD_EXEC_PID=1", "MAINPID=1", "NOTIFY_SOCKET=/run/old", "INSTAR_HANDOVER_FD=9",
	}
	own := append(slices.Clone(stripped[:4]), append(slices.Clone(kept), stripped[4:]...)...)
	for _, c := range []struct {
		socket string
		added  []string
	}{
		{"@abstract", []string{"NOTIFY_SOCKET=@abstract", "INSTAR_HANDOVER_FD=3"}},
		{"", []string{"INSTAR_HANDOVER_FD=3"}},
	} {
		want := append(slices.Clone(kept), c.added...)
		if got := successorEnviron(own, c.socket); !slices.Equal(got, want) {
			t.Errorf("with NOTIFY_SOCKET %q:\n%s\nwant\n%s", c.socket, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

func TestParseHandover(t *testing.T) {
	if fd, err := parseHandover("3"); fd != 3 || err != nil {
		t.Errorf(`parseHandover("3") = %d, %v`, fd, err)
	}
	for _, value := range []string{"", "2", "-3", "3 ", "0x3", "three", "99999999999999999999"} {
		_, err := parseHandover(value)
		if want := `reload: malformed INSTAR_HANDOVER_FD="` + value + `": a predecessor sets it, nobody else should`; err == nil || err.Error() != want {
			t.Errorf("parseHandover(%q): %v, want %s", value, err, want)
		}
	}
}

func TestExecutable(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "service")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	args := os.Args
	defer func() { os.Args = args }()
	for _, c := range []struct {
		name, config, argv0, want string
	}{
		{"the path systemd started", "", "/opt/x/current/x", "/opt/x/current/x"},
		{"Config.Executable goes first", "/opt/y", "/opt/x", "/opt/y"},
		{"a name is looked up", "", "service", path},
	} {
		os.Args = []string{c.argv0}
		s := &Service{config: Config{Executable: c.config}}
		if got, err := s.executable(); got != c.want || err != nil {
			t.Errorf("%s: %q, %v, want %q", c.name, got, err, c.want)
		}
	}
	os.Args = []string{"(hidden)"}
	_, err := (&Service{}).executable()
	if err == nil || !strings.HasPrefix(err.Error(), `argv[0] is "(hidden)", which is no path to start again; where ExecStart= begins with '@', set Config.Executable: `) {
		t.Errorf("an argv[0] that is no path: %v", err)
	}
}
