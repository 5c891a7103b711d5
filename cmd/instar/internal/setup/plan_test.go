package setup

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/instar-project/instar/internal/units"
)

func config(name string) Config {
	return Config{
		Service: units.Service{
			Name: name, ExecStart: []string{"/opt/web/web"},
			Sockets: []units.Socket{{Name: "http", Listen: []units.Listen{units.Stream("8080")}}},
		},
		Helper: "/usr/bin/instar",
		Units:  "/etc/systemd/system",
	}
}

func plan(t *testing.T, c Config) []File {
	t.Helper()
	files, err := Plan(c)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func paths(files []File) (paths, places []string) {
	for _, f := range files {
		paths = append(paths, f.Path)
		places = append(places, f.Place)
	}
	return paths, places
}

// The user comes before the policy that names it, and the units last.
func TestPlanOrder(t *testing.T) {
	c := config("web")
	want := []string{
		"/etc/sysusers.d/instar-web.conf",
		"/etc/dbus-1/system.d/io.github.instar_project.unit.web.conf",
		"/etc/systemd/system/web.service",
		"/etc/systemd/system/web.socket",
	}
	files := plan(t, c)
	if got, places := paths(files); !slices.Equal(got, want) || !slices.Equal(places, want) {
		t.Errorf("%v, %v", got, places)
	}
	var then []string
	for _, f := range files {
		if f.Then != nil {
			then = append(then, strings.Join(f.Then, " "))
		}
	}
	if !slices.Equal(then, []string{"systemd-sysusers " + want[0], "systemctl reload dbus.service", "systemctl daemon-reload"}) {
		t.Errorf("then %v", then)
	}
	if !strings.Contains(files[0].Text, "\nu web -\n") || !strings.Contains(files[1].Text, `<policy user="web">`) {
		t.Errorf("the user is not web:\n%s\n%s", files[0].Text, files[1].Text)
	}

	c.Apart = "out"
	got, places := paths(plan(t, c))
	if !slices.Equal(got, []string{"out/web.sysusers.conf", "out/web.dbus.conf", "out/web.service", "out/web.socket"}) || !slices.Equal(places, want) {
		t.Errorf("apart: %v, %v", got, places)
	}

	c = config("web")
	c.Service.Account = "www-data"
	files = plan(t, c)
	if len(files) != 3 || !strings.Contains(files[0].Text, `<policy user="www-data">`) {
		t.Errorf("with an account: %v", files)
	}

	c = config("web")
	c.Service.Scope, c.Units = units.User, "/home/me/.config/systemd/user"
	files = plan(t, c)
	if got, _ := paths(files); !slices.Equal(got, []string{c.Units + "/web.service", c.Units + "/web.socket"}) ||
		!slices.Equal(files[1].Then, []string{"systemctl", "--user", "daemon-reload"}) {
		t.Errorf("for a user: %v", files)
	}
}

// The helper is where its systemd asks it, and Verify has nothing to say.
func TestPlanHelper(t *testing.T) {
	for _, c := range []struct {
		systemd      int
		reload, post bool
	}{{254, true, false}, {258, true, false}, {259, true, true}, {262, true, true}, {0, true, true}} {
		conf := config("web")
		conf.Systemd = c.systemd
		files := plan(t, conf)
		service := units.Parse("web.service", "", files[2].Text)
		has := func(name string) bool {
			return slices.ContainsFunc(service.Directives, func(d units.Directive) bool { return d.Name == name })
		}
		if has("ExecReload") != c.reload || has("ExecReloadPost") != c.post {
			t.Errorf("systemd %d: %s", c.systemd, files[2].Text)
		}
		pair := units.Pair{Service: service, Sockets: []*units.Unit{units.Parse("web.socket", "", files[3].Text)}}
		if findings := units.Verify(pair, units.Options{Systemd: c.systemd}); len(findings) > 0 {
			t.Errorf("systemd %d: %v", c.systemd, findings)
		}
	}
	c := config("web")
	c.Helper = ""
	if text := plan(t, c)[2].Text; strings.Contains(text, "ExecReload") {
		t.Error(text)
	}
}

func TestPlanErrors(t *testing.T) {
	for _, name := range []string{"root", "Web", "web.api", "0web", strings.Repeat("w", 32)} {
		if _, err := Plan(config(name)); !errors.Is(err, ErrNoUser) {
			t.Errorf("%s: %v", name, err)
		}
		c := config(name)
		c.Service.Account = "web"
		plan(t, c)
	}
	c := config("web")
	c.Helper = "/root/bin/instar"
	if _, err := Plan(c); !errors.Is(err, units.ErrInvalid) {
		t.Errorf("a helper that the sandbox hides: %v", err)
	}
}

func TestWriteFile(t *testing.T) {
	f := File{Path: filepath.Join(t.TempDir(), "a", "b", "web.service"), Text: "one"}
	if same, err := f.Compare(); same || err != nil {
		t.Errorf("before: %v, %v", same, err)
	}
	if err := f.Write(); err != nil {
		t.Fatal(err)
	}
	if same, err := f.Compare(); !same || err != nil {
		t.Errorf("after: %v, %v", same, err)
	}
	if info, err := os.Stat(f.Path); err != nil || info.Mode() != 0o644 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	f.Text = "two"
	if same, err := f.Compare(); same || !errors.Is(err, ErrDiffers) {
		t.Errorf("another text: %v, %v", same, err)
	}
	if err := f.Write(); err != nil {
		t.Fatal(err)
	}
	if files, err := os.ReadDir(filepath.Dir(f.Path)); err != nil || len(files) != 1 {
		t.Errorf("left behind: %v, %v", files, err)
	}
	f.Path += "/under-a-file"
	if err := f.Write(); err == nil {
		t.Error("no error below a file")
	}
}
