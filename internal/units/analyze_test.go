package units

import (
	"context"
	"errors"
	"os/exec"
	"testing"
)

func TestParseAnalyze(t *testing.T) {
	findings := parseAnalyze("" +
		"/etc/systemd/system/web.service:12: Unknown key name 'Foo' in section 'Service', ignoring.\n" +
		"/etc/systemd/system/web.service.d/a.conf:3: Failed to parse service type, ignoring: x\n" +
		"web.service: Command /opt/web/web is not executable: No such file or directory\n" +
		"Configuration file /etc/x.socket is marked executable. Please remove executable permission bits. Proceeding anyway.\n")
	want := []string{
		"web.service: error: Command /opt/web/web is not executable: No such file or directory; see systemd-analyze(1) [systemd-analyze]",
		"/etc/systemd/system/web.service:12: warning: Unknown key name 'Foo' in section 'Service', ignoring.; see systemd-analyze(1) [systemd-analyze]",
		"/etc/systemd/system/web.service.d/a.conf:3: warning: Failed to parse service type, ignoring: x; see systemd-analyze(1) [systemd-analyze]",
		"hint: Configuration file /etc/x.socket is marked executable. Please remove executable permission bits. Proceeding anyway.; see systemd-analyze(1) [systemd-analyze]",
	}
	if len(findings) != len(want) {
		t.Fatal(findings)
	}
	for i, f := range findings {
		if f.String() != want[i] {
			t.Errorf("finding %d is\n%s\nwant\n%s", i, f, want[i])
		}
		if i > 0 && i < 3 && f.Unit != "web.service" {
			t.Errorf("finding %d is about %q", i, f.Unit)
		}
	}
}

func TestAnalyzeWithout(t *testing.T) {
	none := func(ctx context.Context, _ string, args ...string) *exec.Cmd {
		return exec.CommandContext(ctx, "no-such-command", args...)
	}
	if _, err := Analyze(t.Context(), none, System, "/x.service"); !errors.Is(err, ErrNoAnalyze) {
		t.Error(err)
	}
	fails := func(ctx context.Context, _ string, _ ...string) *exec.Cmd { return exec.CommandContext(ctx, "false") }
	if _, err := Analyze(t.Context(), fails, System, "/x.service"); err == nil {
		t.Error("a tool that fails without a word is no error")
	}
}
