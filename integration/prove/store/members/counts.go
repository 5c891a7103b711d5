package members

import (
	"fmt"
	"sync"
	"time"
)

// Counts are the counts of the members.
type Counts struct {
	// Connections had been opened and joined; ConnectionsLost of them came to an end that
	// their member did not wish.
	Connections, ConnectionsLost int

	// Lines were said and acknowledged by the server. Each has to come to every member
	// of the room: Deliveries came, LinesLost did not, LinesDuplicated came once more
	// under another number, which a client cannot know for a repetition.
	Lines, Deliveries, LinesLost, LinesDuplicated int

	// Repeated lines came with a number that the client had, and were ignored; Cut
	// ones ended without CR, likewise. The protocol expects both of a death.
	Repeated, Cut int

	// Newcomers came, spoke, and left. Refused counts refused connect(2)s;
	// Unwelcomed newcomers lost a connection before its first answer.
	Newcomers, Refused, Unwelcomed int

	// Slowest is the longest time from saying a line to its acknowledgement.
	Slowest time.Duration

	// Failures are the first of them, at most 20.
	Failures []string
}

// Lost reports whether anybody has lost anything.
func (c Counts) Lost() bool {
	return c.ConnectionsLost+c.LinesLost+c.LinesDuplicated+c.Refused > 0
}

// tally is Counts that many goroutines add to.
type tally struct {
	mu sync.Mutex
	c  Counts
}

func (t *tally) add(f func(c *Counts)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f(&t.c)
}

// fail counts with f and notes why.
func (t *tally) fail(f func(c *Counts), format string, args ...any) {
	const most = 20
	t.add(func(c *Counts) {
		f(c)
		if len(c.Failures) < most {
			c.Failures = append(c.Failures, fmt.Sprintf(format, args...))
		}
	})
}
