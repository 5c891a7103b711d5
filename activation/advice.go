package activation

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// This file makes the getters' errors: each names the descriptor that was passed
// instead, and the line to change so that it fits.

// missing is the error for a name that no descriptor has. The names that were
// passed usually show the mistake.
func (s *Set) missing(r request) error {
	if s.absent.problem != "" {
		advice := s.absent.advice
		if advice == "" {
			advice = adviseActivation(r)
		}
		return r.error(ErrNotActivated, s.absent.problem, advice)
	}
	for _, e := range s.entries {
		if e.Name != nameConnection {
			continue
		}
		if info, err := inspect(e.FD); err == nil && info.kind() == kindConnection {
			return acceptYes(r, e.FD, info)
		}
	}
	names := s.names()
	problem := "no socket was passed"
	if len(names) > 0 {
		quoted := make([]string, len(names))
		for i, name := range names {
			quoted[i] = fmt.Sprintf("%q", name)
		}
		problem = "no socket of that name was passed, only " + strings.Join(quoted, ", ")
	}
	return r.error(ErrMissing, problem, s.adviseMissing(r, names))
}

// adviseMissing says how a socket gets the wanted name.
func (s *Set) adviseMissing(r request, names []string) string {
	directive := "FileDescriptorName=" + r.wanted
	if s.handed {
		// Only systemd makes sockets, and only at a start.
		return "set " + directive + " in its .socket unit, then restart it and the service: an upgrade hands over only the sockets that the predecessor has"
	}
	for _, name := range names {
		switch {
		case strings.HasSuffix(name, ".socket"):
			return "set " + directive + " in " + name + ", whose sockets go by the unit's own name until then"
		case name == nameUnknown:
			return fmt.Sprintf("set %s in its .socket unit, or give systemd-socket-activate --fdname=%s: %q is a descriptor passed without a name", directive, r.wanted, name)
		case name == nameStored:
			return fmt.Sprintf("set %s in its .socket unit: %q is an entry of the file descriptor store without FDNAME=", directive, name)
		}
	}
	return "set " + directive + " in its .socket unit"
}

// duplicated is the error for several sockets where one was asked for.
func duplicated(r request, found []Entry) error {
	var each []string
	for _, e := range found {
		what := "unreadable"
		if info, err := inspect(e.FD); err == nil {
			what = info.describe()
		}
		each = append(each, fmt.Sprintf("fd %d is %s", e.FD, what))
	}
	return r.error(ErrDuplicate,
		fmt.Sprintf("%d sockets have that name (%s)", len(found), strings.Join(each, ", ")),
		fmt.Sprintf("ask with %ss, or give each a .socket unit with its own FileDescriptorName=", r.name))
}

// wrongType is the error for a descriptor that another getter hands out.
func wrongType(r request, fd int, info socketInfo) error {
	kind := info.kind()
	if kind == kindConnection {
		return acceptYes(r, fd, info)
	}
	problem := fmt.Sprintf("fd %d is %s", fd, info.describe())
	if d := kind.directive(); d != "" {
		problem += " (" + d + ")"
	}
	advice := "use " + r.directives + " in " + socketUnit(r.wanted)
	if info.mode == unix.S_IFSOCK && info.protocol == unix.IPPROTO_SCTP {
		advice = "remove SocketProtocol=sctp from " + socketUnit(r.wanted)
	}
	advice += fmt.Sprintf(", or get it with %s(%q)", r.method(kind.getter()), r.wanted)
	e := r.error(ErrWrongType, problem+", not "+r.takes, advice)
	e.found = kind
	return e
}

// acceptYes is the error for a connection that systemd has accepted.
func acceptYes(r request, fd int, info socketInfo) error {
	e := r.error(ErrAcceptYes,
		fmt.Sprintf("fd %d is %s, not %s", fd, info.describe(), r.takes),
		"set Accept=no in "+socketUnit(r.wanted)+", so that the listening socket itself is passed")
	e.found = kindConnection
	return e
}

// adviseActivation says how to start the program so that the socket is there.
func adviseActivation(r request) string {
	advice := "start the program by " + socketUnit(r.wanted)
	if r.byHand != "" {
		advice += fmt.Sprintf(", or by hand: %s --fdname=%s -l PORT ./%s", r.byHand, r.wanted, program())
	}
	return advice
}
