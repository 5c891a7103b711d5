package machine

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestParseVersions(t *testing.T) {
	for list, want := range map[string][]Version{
		"":               {V257},
		" ":              {V257},
		"all":            {V254, V257, V262},
		"262":            {V262},
		" 262, 254,262 ": {V262, V254},
	} {
		if got, err := ParseVersions(list); err != nil || !slices.Equal(got, want) {
			t.Errorf("ParseVersions(%q) = %v, %v; want %v", list, got, err, want)
		}
	}
	for _, list := range []string{"255", "254,", "all,254", "systemd"} {
		if got, err := ParseVersions(list); err == nil || !strings.Contains(err.Error(), "254, 257, 262") {
			t.Errorf("ParseVersions(%q) = %v, %v; want an error that lists the versions", list, got, err)
		}
	}
}

func TestFindMirror(t *testing.T) {
	for name, c := range map[string]struct{ sources, want string }{
		"one line":    {"deb http://deb.example.org/debian bookworm main\n", "http://deb.example.org/debian"},
		"options":     {"deb [arch=amd64 signed-by=/k.gpg] https://m.example.org/pub/debian/ trixie main\n", "https://m.example.org/pub/debian"},
		"deb822":      {"Types: deb\nURIs: http://deb.example.org/debian\nSuites: trixie\n", "http://deb.example.org/debian"},
		"several":     {"URIs: http://x.example.org/ubuntu http://deb.example.org/debian\n", "http://deb.example.org/debian"},
		"security":    {"deb http://deb.example.org/debian-security bookworm-security main\n", ""},
		"vendor":      {"deb https://packages.example.org/apt stable main\n", ""},
		"comment":     {"# deb http://deb.example.org/debian bookworm main\n", ""},
		"source only": {"deb-src http://deb.example.org/debian bookworm main\n", ""},
		"a disc":      {"deb cdrom:[Debian]/ bookworm main\n", ""},
		"empty":       {"", ""},
	} {
		if got := findMirror(c.sources); got != c.want {
			t.Errorf("%s: findMirror = %q; want %q", name, got, c.want)
		}
	}
}

func FuzzFindMirror(f *testing.F) {
	f.Add("deb [arch=amd64] http://deb.example.org/debian bookworm main\n")
	f.Add("Types: deb\nURIs: http://deb.example.org/debian/\nSuites: trixie\n")
	f.Fuzz(func(t *testing.T, sources string) {
		got := findMirror(sources)
		if got != "" && (!strings.HasSuffix(got, "/debian") || strings.ContainsAny(got, " \n")) {
			t.Errorf("findMirror = %q", got)
		}
	})
}

const hybrid = `24 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 23 0:26 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw
31 30 0:27 / /sys/fs/cgroup/pids rw,relatime shared:9 - cgroup cgroup rw,pids
32 30 0:28 / /sys/fs/cgroup/a\040b rw,relatime - cgroup cgroup rw,name=systemd
33 30 0:29 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
34 30 0:29 / /mnt/again rw,relatime - cgroup2 cgroup2 rw
`

func TestParseHierarchies(t *testing.T) {
	want := hierarchies{unified: "/sys/fs/cgroup/unified", legacy: []string{"/sys/fs/cgroup/pids", "/sys/fs/cgroup/a b"}}
	if got := parseHierarchies(hybrid); !reflect.DeepEqual(got, want) {
		t.Errorf("parseHierarchies = %+v; want %+v", got, want)
	}
}

func FuzzParseHierarchies(f *testing.F) {
	f.Add(hybrid)
	f.Add("1 2 3 4 \\0 - cgroup2")
	f.Fuzz(func(t *testing.T, mountinfo string) { parseHierarchies(mountinfo) })
}

func TestInstalledVersion(t *testing.T) {
	const status = `Package: systemd-sysv
Status: install ok installed
Version: 1

Package: systemd
Status: install ok installed
Version: 254.26-1~bpo12+1
Description: system and service manager
 Package: not a field

Package: removed
Status: deinstall ok config-files
Version: 3

Package: epoch
Status: install ok installed
Version: 2:262~rc1-1
`
	for name, want := range map[string]string{"systemd": "254.26", "removed": "", "epoch": "262", "nonesuch": ""} {
		if got := installedVersion(status, name); got != want {
			t.Errorf("installedVersion(%s) = %q; want %q", name, got, want)
		}
	}
}

func FuzzInstalledVersion(f *testing.F) {
	f.Add("Package: systemd\nStatus: install ok installed\nVersion: 254.26-1~bpo12+1\n")
	f.Fuzz(func(t *testing.T, status string) { installedVersion(status, "systemd") })
}

// The output of mmdebstrap when the mirror is at fault, and when it is not.
func TestMirrorFault(t *testing.T) {
	for output, want := range map[string]bool{
		"E: The repository 'http://deb.debian.org/debian nosuch Release' does not have a Release file.\n":          true,
		"E: Failed to fetch http://deb.debian.org/debian/x.deb  404  Not Found [IP: 203.0.113.80 80]\n":            true,
		"W: Failed to fetch http://x/InRelease  Temporary failure resolving 'x'\n":                                 true,
		"E: Release file for http://x/InRelease is expired (invalid since 3d 1h 2s).\n":                            true,
		"E: Unable to locate package nonesuch\n":                                                                   true,
		"E: The value 'bookworm-backports' is invalid for APT::Default-Release as such a release is not available": true,
		"I: running apt-get update...\nE: mmdebstrap failed to run\n":                                              false,
		"E: /x is not empty\n":                                       false,
		"cp: cannot write '/x': No space left on device\n":           false,
		"I: Failed to fetch nothing, said a package while unpacking": false,
	} {
		if reason, got := mirrorFault(output); got != want {
			t.Errorf("mirrorFault(%q) = %q, %v; want %v", output, reason, got, want)
		}
	}
}

func TestInnermostPID(t *testing.T) {
	for status, want := range map[string]int{
		"Name:\tcat\nNSpid:\t4321\t17\nNSpgid:\t1\t1\n": 17,
		"NSpid:\t4321\n": 4321,
		"NSpid:\n":       0,
		"NSpid:\tx\n":    0,
		"Name:\tcat\n":   0,
	} {
		if got := innermostPID(status); got != want {
			t.Errorf("innermostPID(%q) = %d; want %d", status, got, want)
		}
	}
	own, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	if got := innermostPID(string(own)); got != os.Getpid() {
		t.Errorf("our own PID is %d; want %d", got, os.Getpid())
	}
}

func TestParseProperties(t *testing.T) {
	got := parseProperties("Id=a.service\nExecStart={ path=/x ; argv[]=/x a=b }\nListen=1 (Stream)\nListen=2 (Stream)\nEmpty=\n\nnoise\n")
	want := map[string]string{
		"Id": "a.service", "ExecStart": "{ path=/x ; argv[]=/x a=b }", "Listen": "1 (Stream)\n2 (Stream)", "Empty": "",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("parseProperties = %q; want %q", got, want)
	}
}

func TestParseAddress(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1:80": "127.0.0.1:80", ":80": "127.0.0.1:80", "[::1]:80": "[::1]:80",
		"[::ffff:127.0.0.1]:80": "127.0.0.1:80", "localhost:http": "", "[fe80::1%lo]:80": "", "80": "",
	} {
		got, err := parseAddress("tcp", address)
		if (err == nil) != (want != "") || err == nil && got.String() != want {
			t.Errorf("parseAddress(%q) = %v, %v; want %q", address, got, err, want)
		}
	}
}

// Every change to a recipe must show in its key, and a mirror must not.
func TestRecipeKey(t *testing.T) {
	keys := map[string]Version{}
	for _, v := range Versions() {
		r, err := recipeFor(v)
		if err != nil {
			t.Fatal(err)
		}
		if other, taken := keys[r.key()]; taken {
			t.Errorf("%s and %s have the same key", v, other)
		}
		keys[r.key()] = v
		before := r.key()
		r.also = append(r.also, "extra")
		if r.key() == before {
			t.Errorf("%s: a changed recipe keeps its key", v)
		}
	}
}

func TestConsole(t *testing.T) {
	var c console
	c.Write([]byte("[\x1b[0;32m  OK  \x1b[0m] Reached\r\n"))
	if got, want := c.String(), "[  OK  ] Reached\n"; got != want {
		t.Errorf("console = %q; want %q", got, want)
	}
	c.Write(make([]byte, consoleKept))
	c.Write([]byte("end"))
	if got := c.String(); len(got) != consoleKept || !strings.HasSuffix(got, "end") {
		t.Errorf("the console keeps %d bytes; want the last %d", len(got), consoleKept)
	}
}
