package reload

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/instar-project/instar/internal/handover"
	"github.com/instar-project/instar/internal/testkit"
	"github.com/instar-project/instar/notify/notifytest"

	"golang.org/x/sys/unix"
)

func TestExecutable(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "service")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	for _, c := range []struct {
		name, config, argv0, want string
	}{
		{"the path systemd started", "", "/opt/x/current/x", "/opt/x/current/x"},
		{"Config.Executable goes first", "/opt/y", "/opt/x", "/opt/y"},
		{"a name is looked up", "", "service", path},
	} {
		l := launcher{config: &Config{Executable: c.config}}
		if got, err := l.executable(c.argv0); got != c.want || err != nil {
			t.Errorf("%s: %q, %v, want %q", c.name, got, err, c.want)
		}
	}
	_, err := (&launcher{config: &Config{}}).executable("(hidden)")
	if err == nil || !strings.HasPrefix(err.Error(), `argv[0] is "(hidden)", which is no path to start again; where ExecStart= begins with '@', set Config.Executable: `) {
		t.Errorf("an argv[0] that is no path: %v", err)
	}
}

func TestCommand(t *testing.T) {
	dir := t.TempDir()
	started := Command{Argv: []string{"/opt/old", "--started"}, Environ: []string{"OWN=1"}, Dir: dir}
	said := errors.New("nobody knows")
	asked := Command{[]string{"/opt/new", "--flag"}, []string{"NEW=1"}, "/", []string{"EnvironmentFile=/etc/x: no"}, "note"}
	noted := func(c Command) Command {
		c.StartedWith = "noted"
		return c
	}
	for _, c := range []struct {
		name      string
		directory string  // Config.Directory
		asked     Command // the result of Config.Command
		err       error
		want      command
	}{
		{"all of it", "", asked, nil, command{asked, "/opt/new"}},
		{"Config.Directory goes first", "/usr", asked, nil, command{Command{asked.Argv, asked.Environ, "/usr", asked.LeftBehind, "note"}, "/opt/new"}},
		{"nothing new", "", Command{}, nil, command{noted(started), "/opt/old"}},
		{"an empty environment", "", Command{Environ: []string{}}, nil, command{noted(Command{started.Argv, []string{}, dir, nil, ""}), "/opt/old"}},
		{"no answer", "", Command{}, said, command{}},
	} {
		l := launcher{config: &Config{Directory: c.directory}, started: started, note: note{text: "noted"}}
		l.ask = func(ctx context.Context) (Command, error) {
			if _, bounded := ctx.Deadline(); !bounded {
				t.Errorf("%s: nothing bounds Config.Command", c.name)
			}
			return c.asked, c.err
		}
		got, err := l.command(t.Context())
		if !reflect.DeepEqual(got, c.want) || !errors.Is(err, c.err) {
			t.Errorf("%s: %+v, %v, want %+v", c.name, got, err, c.want)
		}
		if c.err != nil && !errors.Is(err, ErrSpawn) {
			t.Errorf("%s: %v is no ErrSpawn", c.name, err)
		}
	}
}

// A program's changes to its arguments, environment, directory and descriptors are
// its own: a successor begins as it did.
func TestWhatASuccessorIsStartedWith(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	u := start(t)
	u.behave("reshape")
	for n := 1; n < 3; n++ {
		u.upgrade(n)
		u.exit(n)
		u.manager.Wait(notifytest.Has("NOTIFYACCESS=main"))
	}
	// Had it a pipe of one of those as stderr, it would have died of SIGPIPE by now.
	c := u.dial()
	c.wantAnswer("3 serving")
	if got, want := c.ask("command"), fmt.Sprintf("[600] false %s /", dir); got != want {
		t.Errorf("generation 3 was started with %s, want %s", got, want)
	}
}

// The directory is one that is there, or nothing is started.
func TestDirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	gone := filepath.Join(t.TempDir(), "gone")
	for _, c := range []struct{ dir, want, err string }{
		{"", "", ""},
		{"/", "/", ""},
		{file, "", fmt.Sprintf("the working directory %q is no directory", file)},
		{gone, "", "the working directory of the next generation: stat " + gone + ": no such file or directory: if it moves with each release, set Config.Directory, or Config.Command to status.Command"},
	} {
		got, err := (&launcher{}).directory(c.dir)
		if got != c.want || fmt.Sprint(err) != c.err && (err != nil || c.err != "") {
			t.Errorf("%q: %q, %v, want %q, %s", c.dir, got, err, c.want, c.err)
		}
	}
}

// A descriptor that a program leaves open for its own children is not its successor's,
// and stays as it is.
func TestOthersAreNotInherited(t *testing.T) {
	testkit.CheckLeaks(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	kept, err := unix.Dup(int(r.Fd())) // without O_CLOEXEC
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(kept)
	files := withoutOthers([]*os.File{nil, w, nil, w})
	if len(files) != kept+1 {
		t.Fatalf("%d descriptors, want %d", len(files), kept+1)
	}
	p, err := os.StartProcess("/bin/sh", []string{"sh", "-c", `echo /proc/$$/fd/*`}, &os.ProcAttr{Files: files})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	said := make([]byte, 1<<10)
	n, err := r.Read(said)
	has := strings.Fields(string(said[:n]))
	if err != nil || !slices.Contains(has, fmt.Sprintf("/proc/%d/fd/3", p.Pid)) || slices.Contains(has, fmt.Sprintf("/proc/%d/fd/%d", p.Pid, kept)) {
		t.Errorf("the child has %q, %v: want 3, and not %d", has, err, kept)
	}
	if flags, err := unix.FcntlInt(uintptr(kept), unix.F_GETFD, 0); flags != 0 || err != nil {
		t.Errorf("the flags of the program's own descriptor are %#x, %v", flags, err)
	}
}

func TestSetStartedWith(t *testing.T) {
	s := insider{&Service{}}
	if err := s.SetStartedWith(strings.Repeat("x", handover.MaxStartedWith)); err != nil {
		t.Error(err)
	}
	if err := s.SetStartedWith(strings.Repeat("x", handover.MaxStartedWith+1)); err == nil {
		t.Error("a text that is too long is taken")
	}
	if got := s.Command().StartedWith; len(got) != handover.MaxStartedWith {
		t.Errorf("a successor learns %d bytes of %d", len(got), handover.MaxStartedWith)
	}
}

// A file that somebody still has open for writing is started when it is not any more.
func TestWhenNotBusy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "program")
	text, err := os.ReadFile("/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o755); err != nil {
		t.Fatal(err)
	}
	writer, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	tries := 0
	run := func() error {
		tries++
		return exec.Command(path).Run()
	}
	if err := whenNotBusy(run); !errors.Is(err, unix.ETXTBSY) || tries < 2 {
		t.Errorf("%d tries: %v, want %v", tries, err, unix.ETXTBSY)
	}
	err = whenNotBusy(func() error {
		defer writer.Close()
		return run()
	})
	if err != nil {
		t.Error(err)
	}
}
