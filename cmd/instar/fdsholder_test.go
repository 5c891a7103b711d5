package main

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/instar-project/instar/internal/memfile"
	"github.com/instar-project/instar/internal/sdstore"
	"github.com/instar-project/instar/internal/units"

	"golang.org/x/sys/unix"
)

// entryOf is the entry that systemd would report for a descriptor.
func entryOf(t *testing.T, name string, fd int) units.StoreEntry {
	t.Helper()
	var st syscall.Stat_t
	if err := syscall.Fstat(fd, &st); err != nil {
		t.Fatal(err)
	}
	var mode fs.FileMode
	switch st.Mode & syscall.S_IFMT {
	case syscall.S_IFSOCK:
		mode = fs.ModeSocket
	case syscall.S_IFCHR:
		mode = fs.ModeDevice | fs.ModeCharDevice
	}
	return units.StoreEntry{Name: name, Mode: mode, DeviceMajor: unix.Major(st.Dev), DeviceMinor: unix.Minor(st.Dev), Inode: st.Ino, Path: "somewhere"}
}

// This process holds a store's descriptors, and another one reads their kinds from
// outside.
func TestDescribe(t *testing.T) {
	blob := func(payload string) int {
		w, err := memfile.NewWriter("test", 7)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(payload)); err != nil {
			t.Fatal(err)
		}
		file, err := w.Blob()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { file.Close() })
		return int(file)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		unix.Close(pair[0])
		unix.Close(pair[1])
		null.Close()
	})
	if err := unix.Sendmsg(pair[0], []byte("x"), unix.UnixRights(0, 1, 2), nil, 0); err != nil {
		t.Fatal(err)
	}
	sessions := blob("state")
	gone := entryOf(t, "instar.blob.gone.1", sessions)
	gone.Inode++
	entries := []units.StoreEntry{
		entryOf(t, "kept", int(null.Fd())),
		entryOf(t, "instar.bundle.connections.1", pair[1]),
		entryOf(t, "instar.journal.talk.1", sessions),
		entryOf(t, "instar.blob.sessions.2", sessions),
		gone,
		entryOf(t, "instar.fd.control.1", pair[0]),
	}
	var lines []string
	for _, r := range describe(t.Context(), entries, holderOf(os.Getpid()), shallow) {
		lines = append(lines, r.FDName+": "+r.contents())
	}
	want := []string{
		"kept: character device somewhere",
		"instar.blob.gone.1: not readable: systemd does not hold it any more",
		"instar.blob.sessions.2: schema 7, 5 bytes",
		"instar.bundle.connections.1: 3 descriptors",
		"instar.fd.control.1: socket somewhere",
		"instar.journal.talk.1: not readable: it is a blob",
	}
	if got := strings.Join(lines, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("%s\nwant\n%s", got, strings.Join(want, "\n"))
	}

	refused := errors.New("it is on another machine")
	for _, r := range describe(t.Context(), entries, holder{refused: refused}, shallow) {
		if wants := r.Kind != "" && r.Kind != sdstore.FD; (r.NotReadable == refused.Error()) != wants {
			t.Errorf("%s: %q", r.FDName, r.NotReadable)
		}
	}
}

func TestParseQueued(t *testing.T) {
	for _, c := range []struct {
		text string
		n    int
		ok   bool
	}{
		{"pos:\t0\nflags:\t02000002\nmnt_id:\t10\nino:\t42\nscm_fds: 15\n", 15, true},
		{"pos:\t0\nscm_fds: 0\n", 0, true},
		{"pos:\t0\nino:\t41\nscm_fds: 15\n", 0, false},
		{"pos:\t0\nino:\t42\n", 0, false},
		{"scm_fds: -1\n", 0, false},
		{"scm_fds: many\n", 0, false},
		{"", 0, false},
	} {
		if n, err := parseQueued(strings.NewReader(c.text), 42); n != c.n || (err == nil) != c.ok {
			t.Errorf("%q: %d, %v", c.text, n, err)
		}
	}
}
