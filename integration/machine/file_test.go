package machine

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWriteFile(t *testing.T) {
	m := bootForTest(t, V257)
	ctx := t.Context()
	// /etc/link leads to /opt in the machine, whatever the host has there.
	_, err := m.Run(ctx, "ln", "-s", "/opt/there", "/etc/link")
	must(t)(err)
	_, err = m.Run(ctx, "mkdir", "/opt/there")
	must(t)(err)

	for _, path := range []string{"/etc/new", "/opt/a/b/c", "/etc/link/x", "/opt/../etc/y"} {
		must(t)(m.WriteFile(path, []byte("one"), 0o640))
		text, err := m.Run(ctx, "stat", "--format=%a %U %s", path)
		if err != nil || text != "640 root 3\n" {
			t.Errorf("%s is %q, %v", path, text, err)
		}
	}
	if text, err := m.Run(ctx, "cat", "/opt/there/x"); err != nil || text != "one" {
		t.Errorf("/opt/there/x holds %q, %v: the symlink was not followed in the machine", text, err)
	}
	if err := m.WriteFile("/etc/passwd/x", nil, 0o644); err == nil || !strings.Contains(err.Error(), m.Name()+": write /etc/passwd/x: ") {
		t.Errorf("writing below a file: %v", err)
	}

	must(t)(m.Remove("/etc/link/x"))
	must(t)(m.Remove("/opt/a"))
	must(t)(m.Remove("/no/such/file"))
	if _, err := m.Run(ctx, "sh", "-c", "! test -e /opt/there/x && ! test -e /opt/a"); err != nil {
		t.Error("Remove has left something:", err)
	}
	if text, err := m.Run(ctx, "find", "/etc", "/opt", "-name", ".*.????????"); err != nil || text != "" {
		t.Errorf("temporary files are left: %q, %v", text, err)
	}
}

// A running binary can be replaced: it is renamed over, not written into.
func TestCopyInReplacesRunning(t *testing.T) {
	m := bootForTest(t, V257)
	program := filepath.Join(m.Root(), "usr/bin/sleep")
	must(t)(m.CopyIn(program, "/opt/program", 0o755))
	cmd := m.Command(t.Context(), "/opt/program", "infinity")
	must(t)(cmd.Start())
	old, err := os.Stat(filepath.Join(m.Root(), "opt/program"))
	must(t)(err)
	must(t)(m.CopyIn(program, "/opt/program", 0o755))
	fresh, err := os.Stat(filepath.Join(m.Root(), "opt/program"))
	must(t)(err)
	if os.SameFile(old, fresh) || fresh.Mode() != fs.FileMode(0o755) {
		t.Errorf("the file was written into, or has mode %v", fresh.Mode())
	}
}
