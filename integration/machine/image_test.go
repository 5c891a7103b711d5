package machine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// pretendMmdebstrap has Build find, instead of mmdebstrap, a script with $1 as the
// folder to build in, and a cache that is empty. It returns the folder of the images.
//
// All tests with a machine use the real mmdebstrap; this one is for rare faults of
// a mirror.
func pretendMmdebstrap(t *testing.T, script string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not run: building an image takes root")
	}
	bin, cache := t.TempDir(), t.TempDir()
	// The target is the last argument but one source line, for an image that
	// has packages from one suite.
	text := fmt.Sprintf("#!/bin/bash\nset -- \"${@: -2:1}\"\n%s\n", script)
	must(t)(os.WriteFile(filepath.Join(bin, "mmdebstrap"), []byte(text), 0o755))
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	t.Setenv(CacheVariable, cache)
	return filepath.Join(cache, "images")
}

// tree returns a script that makes a tree with that version of systemd in it.
func tree(version string) string {
	return fmt.Sprintf(`mkdir -p "$1/var/lib/dpkg"
printf 'Package: systemd\nStatus: install ok installed\nVersion: %s\n' >"$1/var/lib/dpkg/status"`, version)
}

func TestBuildOnce(t *testing.T) {
	count := filepath.Join(t.TempDir(), "count")
	images := pretendMmdebstrap(t, "echo built >>"+count+"\n"+tree("257.13-1~deb13u1"))
	r, err := recipeFor(V257)
	must(t)(err)
	// The remains of a builder that was killed.
	left := filepath.Join(images, "systemd-257-"+r.key()+".building", "left")
	must(t)(os.MkdirAll(left, 0o755))

	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			img, err := Build(t.Context(), V257)
			if err != nil || img.Version != V257 || img.Systemd != "257.13" {
				t.Errorf("Build = %+v, %v", img, err)
			}
			if _, err := os.Stat(filepath.Join(img.Dir, "left")); !errors.Is(err, fs.ErrNotExist) {
				t.Error("the image has the remains of an unfinished build")
			}
		})
	}
	group.Wait()
	if text, err := os.ReadFile(count); err != nil || !bytes.Equal(text, []byte("built\n")) {
		t.Errorf("built %q, %v; want once", text, err)
	}
}

func TestBuildFails(t *testing.T) {
	for name, c := range map[string]struct {
		script      string
		unavailable bool
		says        string
	}{
		"mirror":        {"echo 'E: Unable to locate package systemd' >&2; exit 25", true, "Unable to locate package"},
		"other systemd": {tree("258.1-1"), true, "has 258.1 now"},
		"no systemd":    {"mkdir -p $1/var/lib/dpkg; : >$1/var/lib/dpkg/status", false, "no systemd"},
		"other":         {"mkdir -p $1/part; echo 'E: out of luck' >&2; exit 25", false, "out of luck"},
	} {
		t.Run(name, func(t *testing.T) {
			images := pretendMmdebstrap(t, c.script)
			_, err := Build(t.Context(), V257)
			if err == nil || errors.Is(err, ErrUnavailable) != c.unavailable || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error is %v; want ErrUnavailable %v, and %q", err, c.unavailable, c.says)
			}
			left, err := filepath.Glob(filepath.Join(images, "*.building"))
			if err != nil || len(left) > 0 {
				t.Errorf("left behind: %q, %v", left, err)
			}
		})
	}
}

func TestBuildCanceled(t *testing.T) {
	ready := filepath.Join(t.TempDir(), "ready")
	must(t)(unix.Mkfifo(ready, 0o600))
	images := pretendMmdebstrap(t, `mkdir -p "$1/part"; echo >`+ready+`; sleep infinity`)
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	ended := make(chan error)
	go func() {
		_, err := Build(ctx, V257)
		ended <- err
	}()
	_, err := os.ReadFile(ready) // returns when the script has written to it
	must(t)(err)
	cancel(enough)
	if err := <-ended; !errors.Is(err, enough) {
		t.Errorf("error is %v; want the cause of the context", err)
	}
	left, err := filepath.Glob(filepath.Join(images, "*.building"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

func TestUnknownVersion(t *testing.T) {
	if _, err := Build(t.Context(), "253"); err == nil || !strings.Contains(err.Error(), `systemd "253"`) {
		t.Errorf("error is %v", err)
	}
}
