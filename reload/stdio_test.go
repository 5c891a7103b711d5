package reload

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A log file that was rotated is opened anew for the successor, once for stdout and stderr,
// and one that cannot be opened is named.
func TestSuccessorStdio(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o604)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	before := stdio
	defer func() { stdio = before }()
	stdio[1], stdio[2] = file, file
	s := &launcher{logs: findLogs()}
	if s.logs != (logs{path, path}) {
		t.Fatalf("the logs are %q, want %s", s.logs, path)
	}
	if files, opened, left := s.successorStdio(); files[1] != file || files[2] != file || len(opened)+len(left) > 0 {
		t.Errorf("nothing was rotated: %v, opened %v, left %q", files, opened, left)
	}

	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	files, opened, left := s.successorStdio()
	if len(left) > 0 || len(opened) != 1 || files[1] != opened[0] || files[2] != opened[0] || !isAt(files[1], path) {
		t.Fatalf("after a rotation: %v, opened %v, left %q", files, opened, left)
	}
	defer opened[0].Close()
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o604 {
		t.Errorf("the new file is %v, %v", info.Mode(), err)
	}
	flags, err := unix.FcntlInt(opened[0].Fd(), unix.F_GETFL, 0)
	if err != nil || flags&unix.O_APPEND == 0 || flags&unix.O_NONBLOCK != 0 {
		t.Errorf("the flags of the new file are %#x, %v", flags, err)
	}

	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	files, opened, left = s.successorStdio()
	if len(left) != 1 || !strings.HasPrefix(left[0], "StandardOutput="+path+": it was rotated") || len(opened) > 0 || files[1] != file || files[2] != file {
		t.Errorf("what cannot be opened: %v, opened %v, left %q", files, opened, left)
	}
}

// Descriptors without a path have none.
func TestLogsOfOtherKinds(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	gone, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer gone.Close()
	if err := os.Remove(gone.Name()); err != nil {
		t.Fatal(err)
	}
	before := stdio
	defer func() { stdio = before }()
	stdio[1], stdio[2] = w, gone
	if found := findLogs(); found != (logs{}) {
		t.Errorf("%q", found)
	}
}

// A socket or pipe that others share stays non-blocking for them when a process is
// started with it, and a closed descriptor becomes /dev/null.
func TestDuplicate(t *testing.T) {
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(ends[0])
	shared := duplicate(uintptr(ends[1]))
	defer shared.Close()
	p, err := os.StartProcess("/bin/true", []string{"true"}, &os.ProcAttr{Files: []*os.File{nil, shared}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	if flags, err := unix.FcntlInt(uintptr(ends[1]), unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK == 0 {
		t.Errorf("the flags are %#x, %v", flags, err)
	}
	unix.Close(ends[1])
	null := duplicate(uintptr(ends[1]))
	defer null.Close()
	if null.Name() != os.DevNull {
		t.Errorf("a closed descriptor became %s", null.Name())
	}
}
