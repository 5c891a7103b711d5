package reload

import (
	"github.com/instar-project/instar/internal/descriptor"

	"golang.org/x/sys/unix"
)

// A service that has no descriptors left wants its next version more than any other:
// an upgrade is the way out. So it holds back the descriptors that the start of a
// successor takes.

// reserved is their number, and a little more: a socket pair, the files that package
// os opens to start a process, the stream for last words, files to look at, the pipe
// of a barrier.
const reserved = 12

// reserve holds descriptors that are good for nothing but to be given up. The
// goroutine of Serve has it.
type reserve []int

// fill takes the missing descriptors, as far as there are any.
func (r *reserve) fill() {
	for len(*r) < reserved {
		fd, err := unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return
		}
		*r = append(*r, fd)
	}
}

// empty gives them up.
func (r *reserve) empty() {
	descriptor.CloseAll(*r)
	*r = nil
}
