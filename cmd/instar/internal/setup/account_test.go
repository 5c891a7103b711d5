package setup

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// An account that somebody else has made is not the service's.
func TestCheckAccount(t *testing.T) {
	bin := t.TempDir()
	getent := "#!/bin/sh\ncase $2 in\nmail) echo mail:x:8:8::/var/mail:/usr/sbin/nologin ;;\nworker) echo worker:*:61500:61500::/:/usr/sbin/nologin ;;\n*) exit 2 ;;\nesac\n"
	if err := os.WriteFile(filepath.Join(bin, "getent"), []byte(getent), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin)
	for _, c := range []struct {
		name, account string
		taken         bool
	}{
		{"mail", "", true},
		{"mail", "mail", false}, // somebody has said so
		{"worker", "", false},   // systemd has made it up
		{"nobody-at-all", "", false},
		{"root", "", true}, // of /etc/passwd
	} {
		conf := config(c.name)
		conf.Service.Account = c.account
		err := conf.CheckAccount(t.Context())
		if errors.Is(err, ErrTaken) != c.taken || err != nil && !strings.Contains(err.Error(), "--account") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// Everyone may read and reach a written file, whatever the umask; files and folders
// that existed before keep their modes.
func TestWriteUnderUmask(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	private := filepath.Join(t.TempDir(), "private")
	if err := os.Mkdir(private, 0o700); err != nil {
		t.Fatal(err)
	}
	f := File{Path: filepath.Join(private, "dbus-1", "system.d", "web.conf"), Text: "text"}
	if err := f.Write(); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]fs.FileMode{
		f.Path: 0o644, filepath.Dir(f.Path): 0o755, filepath.Dir(filepath.Dir(f.Path)): 0o755, private: 0o700,
	} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want %v", path, info.Mode(), err, want)
		}
	}
}

// The command stands on the first line of each unit, and on one.
func TestPlanCommand(t *testing.T) {
	c := config("web")
	c.Command = "instar init --exec=/opt/web/web --set='A=b\nUser=root'"
	for _, f := range plan(t, c) {
		unit := strings.HasSuffix(f.Place, ".service") || strings.HasSuffix(f.Place, ".socket")
		if first, _, _ := strings.Cut(f.Text, "\n"); unit != (first == "# instar init --exec=/opt/web/web --set='A=b User=root'") {
			t.Errorf("%s begins with %q", f.Place, first)
		}
	}
}
