package fdstore

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/instar-project/instar/internal/memfile"
)

// parts are those of a bundle, an entry each, the notes first.
type parts struct {
	notes  *notes
	queues []*queue
}

// adopt takes ownership of fd, which came out of the store, on error too.
func (p *parts) adopt(fd int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return fmt.Errorf("fstat: %w", err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		q, err := adoptQueue(fd)
		if err != nil {
			return err
		}
		p.queues = append(p.queues, q)
		return nil
	}
	if p.notes != nil {
		unix.Close(fd)
		return fmt.Errorf("%w: a bundle has its notes twice", memfile.ErrForeign)
	}
	n, err := adoptNotes(fd)
	if err != nil {
		return err
	}
	p.notes = n
	return nil
}

// check finds a missing part that cannot be made anew. A process that died while it
// stored the parts of a new bundle leaves the first of them, which are empty.
func (p *parts) check() error {
	if p.notes == nil && len(p.queues) > 0 {
		return fmt.Errorf("%w: its notes are missing, which list the removed descriptors: remove the bundle", memfile.ErrTruncated)
	}
	return nil
}

// create makes the missing parts of a bundle, and returns its descriptors, borrowed.
func (p *parts) create() (fds []int, err error) {
	if p.notes == nil {
		if p.notes, err = newNotes(); err != nil {
			return nil, err
		}
		fds = append(fds, p.notes.fd())
	}
	for len(p.queues) < 2 {
		q, err := newQueue()
		if err != nil {
			return nil, err
		}
		p.queues = append(p.queues, q)
		fds = append(fds, q.fd)
	}
	return fds, nil
}

func (p *parts) close() {
	if p.notes != nil {
		p.notes.close()
	}
	for _, q := range p.queues {
		q.close()
	}
}
