package reload

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"syscall"

	"github.com/instar-project/instar/internal/handover"
	"github.com/instar-project/instar/internal/oneline"
	"github.com/instar-project/instar/internal/verdict"
)

// failure is why something failed, for two audiences. Every local user may ask systemd
// and the bus how the service is, so STATUS= and D-Bus get the facts that this library
// knows itself: the kind of failure, a PID, an exit status, an errno. The words of the
// application, or of a process that crashed, may hold anything, a password in a
// database URL among others: they are for the readers of the journal.
type failure struct {
	public string
	words  string // "": there are none
	causes []error
}

// Error returns the public part, so that no %v gives the words away.
func (f *failure) Error() string { return f.public }

func (f *failure) Unwrap() []error { return f.causes }

// LogValue is for logs, which are the journal's.
func (f *failure) LogValue() slog.Value { return slog.StringValue(f.whole()) }

func (f *failure) whole() string { return verdict.Whole(f.public, f.words) }

// openly returns an error that is this library's own from end to end as a failure.
func openly(err error) *failure {
	return &failure{public: err.Error(), causes: []error{err}}
}

// because returns the failure of that kind, one of Err…, whose cause has an error text
// that is not this library's.
func because(kind, cause error) *failure {
	f := &failure{public: kind.Error(), words: oneline.Blank(cause.Error()), causes: []error{kind, cause}}
	if errno, ok := errors.AsType[syscall.Errno](cause); ok {
		f.public += ": " + errno.Error()
	}
	return f
}

// sealed returns any error as a failure. The text of one that is none yet is taken for
// the application's: only its kind and its errno are public.
func sealed(err error) *failure {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	for _, kind := range kinds {
		if errors.Is(err, kind) {
			f := because(kind, err)
			f.words = strings.TrimPrefix(f.words, kind.Error()+": ")
			return f
		}
	}
	return because(errFailed, err)
}

// kinds are the failures that are told apart.
var kinds = []error{ErrSpawn, ErrCrashed, ErrTimedOut, ErrRefused, ErrProtocol, ErrHandover, ErrUnhealthy, ErrStore, ErrNaming}

// errFailed is the kind of all others.
var errFailed = errors.New("the service failed")

// opened returns f with its words made public.
func (f *failure) opened() *failure {
	return &failure{public: f.whole(), causes: []error{f}}
}

// failure returns err as this service shows it.
func (s *Service) failure(err error) *failure {
	f := sealed(err)
	if s.config.PublicReasons {
		return f.opened()
	}
	return f
}

// refusal is err on its way to a predecessor: the whole of it, and the public part.
func refusal(err error) handover.Refuse {
	reason, public, errno := spelled(err)
	return handover.Refuse{
		Protocol: handover.Current, Reason: reason, Public: public, Errno: errno,
		Unexplained: errors.Is(err, errUnexplained),
	}
}

// unwell is the same of a failed probation.
func unwell(err error) handover.Unhealthy {
	reason, public, errno := spelled(err)
	return handover.Unhealthy{Reason: reason, Public: public, Errno: errno}
}

func spelled(err error) (reason, public string, number int) {
	reason = err.Error()
	errno, ok := errors.AsType[syscall.Errno](err)
	if ok {
		number, public = int(errno), errno.Error()
	}
	if f, ok := errors.AsType[*failure](err); ok {
		reason, public = f.whole(), f.public
	}
	return reason, public, number
}

// heard returns the failure of that kind for which a successor has given such a
// reason. An earlier version of the library does not send its public part.
func heard(kind error, reason, public string, number int) *failure {
	f := &failure{public: kind.Error(), words: oneline.Blank(reason), causes: []error{kind}}
	if public = oneline.Blank(public); public != "" {
		f.public += ": " + public
	}
	if public == f.words {
		f.words = ""
	}
	const maxErrno = 4095 // of the kernel; systemd takes no other
	if 0 < number && number <= maxErrno {
		f.causes = append(f.causes, syscall.Errno(number))
	}
	return f
}

// speaks returns why this build cannot talk to one that speaks v; nil: it can.
func speaks(v handover.Version) error {
	if handover.Current.Speaks(v) {
		return nil
	}
	return openly(fmt.Errorf("%w: %w", ErrProtocol, &handover.VersionError{Ours: handover.Current, Theirs: v}))
}

// refused is the reason of a build that will not follow.
func refused(m handover.Refuse) error {
	kind := ErrRefused
	if !handover.Current.Speaks(m.Protocol) {
		kind = ErrProtocol
	}
	f := heard(kind, m.Reason, m.Public, m.Errno)
	if m.Unexplained {
		f.causes = append(f.causes, errUnexplained)
	}
	return f
}
