package reload

import (
	"io"
	"os"
	"runtime/debug"
	"time"

	"github.com/instar-project/instar/internal/descriptor"
	"github.com/instar-project/instar/internal/handover"

	"golang.org/x/sys/unix"
)

// Why a successor has crashed is on its stderr, which is the journal's, and not for its
// predecessor to read. (A pipe in its place would have to be read for as long as the
// successor lives, would kill it when its predecessor goes, and would hide from it
// that stderr is the journal.) But the runtime writes a panic, and any other error that
// ends the process, to a second file as well, if it is told to.

// promiseLastWords gives the predecessor the other end of a stream that this process
// writes to when it crashes, and only then.
func (s *Service) promiseLastWords() {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		s.log.Debug("last words", "error", err)
		return
	}
	ours := os.NewFile(uintptr(ends[0]), "last words")
	defer ours.Close()
	defer unix.Close(ends[1])
	// The runtime keeps a duplicate.
	if err := debug.SetCrashOutput(ours, debug.CrashOptions{}); err != nil {
		s.log.Debug("last words", "error", err)
		return
	}
	// A process that dies does not wait for a reader. After SetCrashOutput, which may
	// undo it; the duplicate shares it.
	if err := unix.SetNonblock(ends[0], true); err != nil {
		s.log.Debug("last words", "error", err)
	}
	s.tell(handover.LastWords{}, ends[1])
}

// listenToLastWords takes that end.
func (next *successor) listenToLastWords(fds []int) {
	if len(fds) != 1 {
		descriptor.CloseAll(fds)
		return
	}
	if unix.SetNonblock(fds[0], true) != nil {
		descriptor.CloseAll(fds)
		return
	}
	if before := next.lastWords.Swap(os.NewFile(uintptr(fds[0]), "last words")); before != nil {
		before.Close()
	}
}

// remark returns the last words of a successor that has ended, in one line; "" if there
// are none. It closes that end.
func (next *successor) remark() string {
	f := next.lastWords.Swap(nil)
	if f == nil {
		return ""
	}
	defer f.Close()
	// All its words are there. A child that it has left behind may hold the other end,
	// so this does not wait for the end of the stream.
	_ = f.SetReadDeadline(time.Now().Add(lastMoment / 10))
	said := new(tail)
	_, _ = io.Copy(said, io.LimitReader(f, tailBytes))
	return said.remark()
}
