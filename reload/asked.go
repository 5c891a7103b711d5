package reload

import (
	"context"
	"errors"
	"fmt"

	"github.com/instar-project/instar/internal/descriptor"
	"github.com/instar-project/instar/internal/handover"
)

// ErrPreflight is in the error of Open in a process that was only asked whether it
// could follow: it has answered, and is to end. See [Service.Preflight].
var ErrPreflight = errors.New("reload: this process was asked whether it could follow the running one; it has answered")

// answer answers a preflight, with invalid, the error of c, if there is one; asked
// is false if this process is no preflight.
func (c Config) answer(invalid error) (asked bool, err error) {
	line, asked, err := takeLine(preflightVariable)
	if err != nil || !asked {
		return asked, err
	}
	defer line.Close()
	if err = invalid; err == nil {
		err = c.check(line)
	}
	if err != nil {
		return true, errors.Join(fmt.Errorf("%w: %w", ErrPreflight, err), line.Send(refusal(err)))
	}
	ready := handover.Ready{Protocol: handover.Current, Build: c.Build, ProbationUSec: c.Probation.Microseconds()}
	return true, errors.Join(ErrPreflight, line.Send(ready))
}

// check asks the application, for as long as the service at the other end of the
// line waits.
func (c Config) check(line *handover.Conn) error {
	if c.Preflight == nil {
		return nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		defer cancel()
		for {
			_, fds, err := line.Receive()
			descriptor.CloseAll(fds)
			if err != nil && !errors.Is(err, handover.ErrUnknownType) {
				return
			}
		}
	}()
	return c.Preflight(ctx)
}
