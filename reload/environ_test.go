package reload

import (
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
		"SYSTEMD_EXEC_PID=1", "MAINPID=1", "NOTIFY_SOCKET=/run/old", "INSTAR_HANDOVER_FD=9", "INSTAR_PREFLIGHT_FD=9",
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
	if got, want := preflightEnviron(own), append(slices.Clone(kept), "INSTAR_PREFLIGHT_FD=3"); !slices.Equal(got, want) {
		t.Errorf("in a preflight:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestParseLine(t *testing.T) {
	if fd, err := parseLine(handoverVariable, "3"); fd != 3 || err != nil {
		t.Errorf(`parseLine("3") = %d, %v`, fd, err)
	}
	for _, value := range []string{"", "2", "-3", "3 ", "0x3", "three", "99999999999999999999"} {
		_, err := parseLine(handoverVariable, value)
		if want := `reload: malformed INSTAR_HANDOVER_FD="` + value + `": only a predecessor may set it`; err == nil || err.Error() != want {
			t.Errorf("parseLine(%q): %v, want %s", value, err, want)
		}
	}
}
