package reload

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

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
		s := &Service{config: Config{Executable: c.config}}
		if got, err := s.executable(c.argv0); got != c.want || err != nil {
			t.Errorf("%s: %q, %v, want %q", c.name, got, err, c.want)
		}
	}
	_, err := (&Service{}).executable("(hidden)")
	if err == nil || !strings.HasPrefix(err.Error(), `argv[0] is "(hidden)", which is no path to start again; where ExecStart= begins with '@', set Config.Executable: `) {
		t.Errorf("an argv[0] that is no path: %v", err)
	}
}

func TestCommand(t *testing.T) {
	own := []string{"OWN=1"}
	said := errors.New("nobody knows")
	for _, c := range []struct {
		name          string
		argv, environ []string // what Config.Command returns
		err           error
		want          command
	}{
		{"all of it", []string{"/opt/new", "--flag"}, []string{"NEW=1"}, nil, command{"/opt/new", []string{"/opt/new", "--flag"}, []string{"NEW=1"}}},
		{"nothing new", nil, nil, nil, command{os.Args[0], os.Args, own}},
		{"an empty environment", nil, []string{}, nil, command{os.Args[0], os.Args, []string{}}},
		{"no answer", nil, nil, said, command{}},
	} {
		s := &Service{environ: own}
		s.config.Command = func(ctx context.Context, svc *Service) ([]string, []string, error) {
			if _, bounded := ctx.Deadline(); !bounded || svc != s {
				t.Errorf("%s: bounded: %v, for %p, want %p", c.name, bounded, svc, s)
			}
			return c.argv, c.environ, c.err
		}
		got, err := s.command(t.Context())
		if got.path != c.want.path || !slices.Equal(got.argv, c.want.argv) || !slices.Equal(got.environ, c.want.environ) || !errors.Is(err, c.err) {
			t.Errorf("%s: %+v, %v, want %+v", c.name, got, err, c.want)
		}
		if c.err != nil && !errors.Is(err, ErrSpawn) {
			t.Errorf("%s: %v is no ErrSpawn", c.name, err)
		}
	}
}

func TestSetStartedWith(t *testing.T) {
	s := &Service{}
	if err := s.SetStartedWith(strings.Repeat("x", MaxStartedWith)); err != nil {
		t.Error(err)
	}
	if err := s.SetStartedWith(strings.Repeat("x", MaxStartedWith+1)); err == nil {
		t.Error("a text that is too long is taken")
	}
	if got := s.hello().StartedWith; len(got) != MaxStartedWith {
		t.Errorf("a successor learns %d bytes of %d", len(got), MaxStartedWith)
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
