package reload

import (
	"github.com/instar-project/instar/internal/descriptor"

	"golang.org/x/sys/unix"
)

// A service that has no descriptors left wants its next version more than any other:
// an upgrade is the way out. So it holds back what the start of a successor takes.

// reserved is that, and a little more: a socket pair, what package os opens to start a
// process, the stream for last words, files to look at, the pipe of a barrier.
const reserved = 12

// reserve holds descriptors that are good for nothing but to be given up. The
// goroutine of Serve has it.
type reserve []int

// fill takes what is missing, as far as there is any.
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
