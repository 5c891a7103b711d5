package status

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/instar-project/instar/internal/units"
	"github.com/instar-project/instar/reload"
)

func TestUnreadFiles(t *testing.T) {
	got := unreadFiles([]units.Variables{{Assignments: []string{"A=1"}}, {Path: "/etc/x", Err: os.ErrPermission}})
	if want := []string{"EnvironmentFile=/etc/x: permission denied; its variables are those of the last start"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// A credential is compared with its source: by content if both can be read, or else by
// time of writing.
func TestRenewed(t *testing.T) {
	loaded, sources := t.TempDir(), t.TempDir()
	past, future := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	write := func(path, text string, at time.Time) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	var x units.Execution
	add := func(directive, name, credential, source string, at time.Time) string {
		t.Helper()
		path := filepath.Join(sources, name)
		write(filepath.Join(loaded, name), credential, at)
		write(path, source, at)
		x.Credentials = append(x.Credentials, units.Credential{Directive: directive, Name: name, Source: path})
		return path
	}
	add("LoadCredential", "same", "one", "one", past)
	other := add("LoadCredential", "other", "one", "two", past)
	add("LoadCredentialEncrypted", "older", "one", "sealed", future)
	newer := add("LoadCredentialEncrypted", "newer", "one", "sealed", past)
	add("LoadCredential", "folder_a", "one", "one", past)
	x.Credentials = append(x.Credentials, units.Credential{Directive: "LoadCredential", Name: "missing", Source: "/nowhere"})
	write(filepath.Join(loaded, "searched"), "one", past)
	x.Credentials = append(x.Credentials, units.Credential{Directive: "LoadCredential", Name: "searched", Source: "searched"})

	own := []string{"CREDENTIALS_DIRECTORY=" + loaded}
	want := []string{
		"LoadCredential=other:" + other + " has changed since systemd loaded it",
		"LoadCredentialEncrypted=newer:" + newer + " has changed since systemd loaded it",
	}
	if got := renewed(x, own, false); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	want = append(want, "LoadCredential=searched:searched: whether it has changed cannot be seen from within the service; the credential is that of the last start")
	if got := renewed(x, own, true); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := renewed(x, nil, true); len(got) > 0 {
		t.Errorf("without $CREDENTIALS_DIRECTORY: %q", got)
	}
	x.RefreshesCredentials = true
	if got := renewed(x, own, true); len(got) > 0 {
		t.Errorf("with RefreshOnReload=credentials: %q", got)
	}
}

func TestDirectory(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		x       units.Execution
		environ []string
		want    string
	}{
		{units.Execution{}, nil, "/"},
		{units.Execution{Directory: dir}, nil, dir},
		{units.Execution{Directory: "/nowhere"}, nil, "/nowhere"},
		{units.Execution{Directory: "/nowhere", DirectoryOptional: true}, nil, "/"},
		{units.Execution{Directory: "~"}, []string{"HOME=/a", "HOME=" + dir}, dir},
		{units.Execution{Directory: "~", DirectoryOptional: true}, []string{"HOME=/nowhere"}, "/"},
	} {
		if got, err := directory(c.x, c.environ); got != c.want || err != nil {
			t.Errorf("%+v: %q, %v, want %q", c.x, got, err, c.want)
		}
	}
	if got, err := directory(units.Execution{Directory: "~"}, nil); got == "" || err != nil {
		t.Errorf("the home of a user without $HOME: %q, %v", got, err)
	}
}

// Directories are compared, not their names.
func TestOtherDirectory(t *testing.T) {
	dir := t.TempDir()
	one, two, current := filepath.Join(dir, "1"), filepath.Join(dir, "2"), filepath.Join(dir, "current")
	for _, release := range []string{one, two} {
		if err := os.Mkdir(release, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	point := func(to string) {
		t.Helper()
		_ = os.Remove(current)
		if err := os.Symlink(to, current); err != nil {
			t.Fatal(err)
		}
	}
	x, own := units.Execution{Directory: current}, reload.Command{Dir: one}
	point(one)
	if got := otherDirectory(x, own); len(got) > 0 {
		t.Errorf("%q", got)
	}
	point(two)
	want := []string{fmt.Sprintf("WorkingDirectory=%s, which is %s (the service runs in %s)", current, two, one)}
	if got := otherDirectory(x, own); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if err := os.Remove(one); err != nil {
		t.Fatal(err)
	}
	if got := otherDirectory(x, own); !slices.Equal(got, want) {
		t.Errorf("where the service runs is gone: %q, want %q", got, want)
	}
	if got := otherDirectory(units.Execution{Directory: "/nowhere"}, own); len(got) > 0 {
		t.Errorf("where it would run is not there: %q", got)
	}
}

// Settings that the upgrade to this generation has left behind take a restart, also when
// a later upgrade has failed.
func TestRestartNeeded(t *testing.T) {
	now := reload.Snapshot{Party: reload.Party{Generation: 2}}
	f := facts{restart: []string{"LimitNOFILE=", "EnvironmentFile="}}
	want := []string{"LimitNOFILE=", "EnvironmentFile=", "StandardOutput="}
	if got := f.restartNeeded(now); !slices.Equal(got, f.restart) {
		t.Errorf("%q, want %q", got, f.restart)
	}
	now.Verdict = reload.Verdict{To: now.Party, LeftBehind: []string{"StandardOutput=", "EnvironmentFile="}}
	if got := f.restartNeeded(now); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	f.left = f.leftBehind(now)
	now.Verdict = reload.Verdict{To: reload.Party{Generation: 3}, Err: reload.ErrRefused, LeftBehind: []string{"another"}}
	if got := f.restartNeeded(now); !slices.Equal(got, want) {
		t.Errorf("after a failed upgrade: %q, want %q", got, want)
	}
}
