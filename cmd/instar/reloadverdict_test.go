package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/instar-project/instar/reload"
)

// The tests in integration run the command beside a real service; here it runs
// alone.
func TestReloadVerdictAlone(t *testing.T) {
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+t.TempDir()+"/none")
	for _, c := range []struct {
		args   string
		err    string // as main prints it
		stderr string
	}{
		{"--phase=reload web.service", "", "the verdict of the upgrade is not known: status: the bus at unix:path="},
		{"--phase=post web.service", "", "the verdict of the upgrade is not known: status: the bus at unix:path="},
		{"--phase=reload --name=no web.service", "", `"no" is not a well-known name`},
		{"--phase=reload .service", "", "no name for the bus"},
		{"--phase=start web.service", "--phase=start: want --phase=reload or --phase=post", ""},
		{"web.service", "--phase=: want", ""},
		{"--phase=reload", "accepts 1 arg(s), received 0", ""},
		{"--phase=reload --verbose web.service", "unknown flag: --verbose", ""},
	} {
		var stdout, stderr bytes.Buffer
		cmd := root()
		cmd.SetOut(&stdout)
		cmd.SetErr(&stderr)
		cmd.SetArgs(append([]string{"reload-verdict"}, strings.Fields(c.args)...))
		err := cmd.ExecuteContext(t.Context())
		if (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v, want %q", c.args, err, c.err)
		}
		if !strings.Contains(stderr.String(), c.stderr) || strings.Count(stderr.String(), "\n") > 1 || stdout.Len() > 0 {
			t.Errorf("%s: stderr %q, want one line with %q; stdout %q", c.args, stderr.String(), c.stderr, stdout.String())
		}
	}
}

func TestFailure(t *testing.T) {
	failed := reload.Verdict{Attempt: 3, To: reload.Party{Generation: 2}, Err: errors.New("why"), Steps: []reload.Step{{Phase: "preparing", Took: time.Second}}}
	if err := failure(failed); err == nil || err.Error() != "upgrade 3 to generation 2 failed after 1s: why" {
		t.Errorf("%v", err)
	}
	for _, v := range []reload.Verdict{{}, {Attempt: 3}} {
		if err := failure(v); err != nil {
			t.Errorf("%v: %v", v, err)
		}
	}
}

func TestParseStarted(t *testing.T) {
	stat := "17 (a) b (c) S 1 17 17 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 1000 0 0\n"
	early, err := parseStarted(stat)
	if err != nil {
		t.Fatal(err)
	}
	late, err := parseStarted(strings.Replace(stat, " 1000 ", " 1100 ", 1))
	if d := late.Sub(early); err != nil || d < 999*time.Millisecond || d > 1100*time.Millisecond {
		t.Errorf("a hundred ticks are %v, %v", d, err)
	}
	if own, err := processStarted(); err != nil || own.After(time.Now()) {
		t.Errorf("this process was started at %v, %v", own, err)
	}
	for _, wrong := range []string{"", "17 (a) S", "17 (a) S 1 17 17 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 soon 0 0"} {
		if _, err := parseStarted(wrong); err == nil {
			t.Errorf("%q is no error", wrong)
		}
	}
}
