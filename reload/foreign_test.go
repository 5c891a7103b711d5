package reload

import (
	"debug/buildinfo"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/instar-project/instar/notify/notifytest"

	"golang.org/x/sys/unix"
)

// A program that is, or may be, one of ours is started.
func TestCheckOurs(t *testing.T) {
	dir := t.TempDir()
	script, fifo := filepath.Join(dir, "script"), filepath.Join(dir, "fifo")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nexec /opt/web/web\n"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(fifo, 0o777); err != nil { // to open it would take for ever
		t.Fatal(err)
	}
	for _, path := range []string{"/proc/self/exe", "/bin/sh", script, fifo, dir, "/nowhere"} {
		if err := checkOurs(path); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// The modules of a program are those that debug/buildinfo finds.
func TestBuildInfo(t *testing.T) {
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/proc/self/exe", goTool} {
		want, err := buildinfo.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		got := buildInfo(path)
		if got == nil || got.Path != want.Path || !reflect.DeepEqual(got.Main, want.Main) || !reflect.DeepEqual(got.Deps, want.Deps) {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
	for _, path := range []string{"/bin/sh", "/etc/hostname", "/nowhere"} {
		if got := buildInfo(path); got != nil {
			t.Errorf("%s: %v", path, got)
		}
	}
}

func FuzzBuildInfo(f *testing.F) {
	self, err := elf.Open("/proc/self/exe")
	if err != nil {
		f.Fatal(err)
	}
	defer self.Close()
	data, err := self.Section(".go.buildinfo").Data()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add(data[:33])
	f.Fuzz(func(t *testing.T, data []byte) { parseBuildInfo(data) })
}

// A Go program that does not have this library is not started, neither to be asked nor
// to serve.
func TestForeignProgram(t *testing.T) {
	foreign, trace := buildForeign(t)
	const want = "no successor could be started: .* was not started: it is a Go program .example.com/foreign. that does not use github.com/instar-project/instar, "
	for _, allowed := range []string{"", "1"} {
		u := start(t, allowVariable+"="+allowed, "FOREIGN_TRACE="+trace, readyVariable+"=5s")
		u.install(foreign)
		answer := u.dial().ask("preflight")
		if allowed != "" {
			if !strings.Contains(answer, "exited with status 0, without an answer") {
				t.Errorf("allowed: %q", answer)
			}
			continue
		}
		u.signal(u.pid(1), unix.SIGHUP)
		m := u.manager.Wait(func(m notifytest.Message) bool {
			status, _ := m.Get("STATUS")
			return strings.HasPrefix(status, "upgrade failed: ")
		})
		status, _ := m.Get("STATUS")
		for _, got := range []string{answer, strings.TrimPrefix(status, "upgrade failed: ")} {
			if !regexp.MustCompile("^" + want).MatchString(got) {
				t.Errorf("%q, want a match of %s", got, want)
			}
		}
		if _, err := os.Stat(trace); err == nil {
			t.Error("it was started")
		}
	}
	if _, err := os.Stat(trace); err != nil {
		t.Error("allowed, it was not started:", err)
	}
}

// buildForeign builds a program that leaves the file trace where it runs.
func buildForeign(t *testing.T) (program, trace string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":  "module example.com/foreign\n",
		"main.go": "package main\n\nimport \"os\"\n\nfunc main() { os.WriteFile(os.Getenv(\"FOREIGN_TRACE\"), nil, 0o666) }\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	program = filepath.Join(dir, "foreign")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", program, ".")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program, filepath.Join(dir, "trace")
}

// A program for another machine is called that.
func TestAnotherArchitecture(t *testing.T) {
	program, err := os.ReadFile("/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	const machine = 18 // the offset of e_machine in an ELF file, see elf(5)
	program[machine], program[machine+1] = 0x12, 0x34
	path := filepath.Join(t.TempDir(), "true")
	if err := os.WriteFile(path, program, 0o777); err != nil {
		t.Fatal(err)
	}
	u := start(t)
	u.install(path)
	answer := u.dial().ask("preflight")
	if !regexp.MustCompile(`^no successor could be started: .*exec format error: it is built for .*, and this machine is \w+: build it with GOARCH=\w+$`).MatchString(answer) {
		t.Errorf("%q", answer)
	}
}
