package units

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Of several folders the first counts; drop-ins of all add up, by their names.
func TestLoad(t *testing.T) {
	etc, usr := t.TempDir(), t.TempDir()
	for file, text := range map[string]string{
		etc + "/web-a.service":                 "[Unit]\nRequires=web-a.socket gone.socket\n[Service]\nType=exec\n",
		usr + "/web-a.service":                 "[Service]\nType=oneshot\n",
		usr + "/web-a.service.d/20-b.conf":     "[Service]\nA=3\n",
		etc + "/service.d/10-a.conf":           "[Service]\nA=1\n",
		usr + "/web-.service.d/15-c.conf":      "[Service]\nA=2\n",
		usr + "/service.d/20-b.conf":           "[Service]\nA=hidden\n",
		usr + "/web-a.socket":                  "[Socket]\nListenStream=1\n",
		usr + "/other.socket":                  "[Socket]\nService=web-a.service\n",
		usr + "/unrelated.socket":              "[Socket]\nListenStream=2\n",
		usr + "/instance@.service":             "[Service]\nType=notify\n",
		usr + "/instance@.service.d/zzz.conf":  "[Service]\nA=template\n",
		usr + "/instance@1.service.d/zzz.conf": "[Service]\nA=instance\n",
	} {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	pair, err := Load([]string{etc, usr}, "web-a.service")
	if err != nil {
		t.Fatal(err)
	}
	if got := pair.Service.value("Service", "Type", ""); got != "exec" {
		t.Errorf("Type=%s", got)
	}
	var order []string
	for _, d := range pair.Service.list("Service", "A") {
		order = append(order, d.Value)
	}
	if !slices.Equal(order, []string{"1", "2", "3"}) {
		t.Errorf("drop-ins in the order %v", order)
	}
	if got := siblings(pair); !slices.Equal(got, []string{"web-a.socket", "other.socket"}) {
		t.Errorf("sockets %v", got)
	}

	pair, err = Load([]string{etc, usr}, "instance@1.service")
	if err != nil {
		t.Fatal(err)
	}
	if got := pair.Service.value("Service", "A", ""); got != "instance" {
		t.Errorf("of two drop-ins the %s's counts", got)
	}

	if _, err := Load([]string{etc}, "none.service"); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if _, err := Load([]string{etc}, "../web.service"); err == nil || errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}

// A template and its instances: specifiers in the names of units and of sockets mean
// the same as for systemd.
func TestLoadTemplate(t *testing.T) {
	folder := t.TempDir()
	for name, text := range map[string]string{
		"web@.service": "[Unit]\nRequires=web@%i.socket\nStartLimitIntervalSec=0\n[Service]\nType=notify-reload\n" +
			"ExecStart=/opt/web/web %i\nExecReload=/usr/bin/true\nSockets=web@%i.socket web-admin@%i.socket\nRestart=always\nOOMPolicy=continue\n",
		"web@.socket":       "[Socket]\nFileDescriptorName=%p\nListenStream=/run/%j-%i.sock\nTriggerLimitIntervalSec=0\n[Install]\nWantedBy=sockets.target\n",
		"web-admin@.socket": "[Socket]\nFileDescriptorName=%j\nService=web@%i.service\nListenStream=/run/%j-%i.sock\nTriggerLimitIntervalSec=0\n[Install]\nWantedBy=sockets.target\n",
	} {
		write(t, filepath.Join(folder, name), text)
	}
	for _, instance := range []string{"web@a.service", "web@.service"} {
		pair, err := Load([]string{folder}, instance)
		if err != nil {
			t.Fatal(err)
		}
		if len(pair.Sockets) != 2 {
			t.Errorf("%s has the sockets %v", instance, siblings(pair))
		}
		if findings := Verify(pair, Options{}); len(findings) > 0 {
			t.Errorf("%s: %v", instance, findings)
		}
	}
	write(t, filepath.Join(folder, "web@.service.d/a.conf"), "[Service]\nRuntimeDirectory=web-a.sock.d web-%i.sock\n")
	pair, err := Load([]string{folder}, "web@a.service")
	if err != nil {
		t.Fatal(err)
	}
	if findings := Verify(pair, Options{}); len(findings) != 1 || findings[0].Rule != "socket-path" {
		t.Errorf("a folder in place of the socket: %v", findings)
	}
}

// Instances of a template count as one user, unless each has its own.
func TestTemplateUser(t *testing.T) {
	for lines, want := range map[string]bool{
		"DynamicUser=yes\n": true, "User=web\n": true, "User=web-%i\n": false, "": false,
	} {
		u := Parse("web@a.service", "", "[Service]\nFileDescriptorStoreMax=4\n"+lines)
		found := slices.ContainsFunc(Verify(Pair{Service: u}, Options{}), func(f Finding) bool { return f.Rule == "store-user" })
		if found != want {
			t.Errorf("%q: found %v, want %v", lines, found, want)
		}
	}
}
