package activation

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// A Check is a further condition on a descriptor, given to a getter. It borrows fd,
// must not close it or change its flags, and returns an error when the descriptor
// does not suit the program; the getter wraps it in an [*Error]. It is called with
// the Set locked and must not call its methods. A check of one's own may look at
// any socket option; [BoundTo] and [Only] are ready-made.
type Check func(fd int) error

// BoundTo checks where the descriptor is bound (getsockname(2)), and fails with
// [ErrWrongAddress] if that is elsewhere. Address is written as ListenStream=
// has it:
//
//	127.0.0.1:8080   this address and port; port 0: any port
//	[::1]:8080       the same for IPv6, with %interface where it needs a scope
//	8080 or :8080    the wildcard address, of either family
//	/run/web.sock    a Unix socket, FIFO, special file or (/name) message queue
//	@web             an abstract Unix socket
//	vsock:3:1024     a vsock address; an empty CID, as in vsock::1024: any
//
// Most programs need no such check: that the administrator chooses the address
// is the point of a .socket unit.
func BoundTo(address string) Check {
	return func(fd int) error {
		want, err := parsePattern(address)
		if err != nil {
			return fmt.Errorf("BoundTo: %w", err)
		}
		info, err := inspect(fd)
		if err != nil {
			return err
		}
		ok := want.matches(info.local)
		if info.mode != unix.S_IFSOCK {
			ok = sameFile(fd, info.kind(), want.path)
		}
		if ok {
			return nil
		}
		advice := "change the address"
		if d := info.kind().directive(); strings.HasPrefix(d, "Listen") {
			advice = "set " + d + address
		}
		return &mismatch{
			sentinel: ErrWrongAddress,
			problem:  fmt.Sprintf("is %s, not at %s", info.describe(), address),
			advice:   advice,
		}
	}
}

// sameFile reports whether fd is the file, or message queue, at path.
func sameFile(fd int, kind fdKind, path string) bool {
	if !strings.HasPrefix(path, "/") {
		return false
	}
	if kind == kindMessageQueue {
		path = "/dev/mqueue" + path
	}
	var have, want unix.Stat_t
	if unix.Fstat(fd, &have) != nil || unix.Stat(path, &want) != nil {
		return false
	}
	if have.Mode&unix.S_IFMT == unix.S_IFCHR {
		// Device nodes are many, the device is one: sd_is_special(3).
		return want.Mode&unix.S_IFMT == unix.S_IFCHR && have.Rdev == want.Rdev
	}
	return have.Dev == want.Dev && have.Ino == want.Ino
}

// Only checks that the descriptor is of one of the given kinds, at least one,
// where the getter alone would take more, and fails with [ErrWrongType] if it is not:
//
//	set.Listener("http", activation.Only("tcp"))
//
// A socket's kind is its network, as in package net, or "netlink": "tcp", "unix",
// "unixpacket" and "vsock" listen, "udp" and "unixgram" are for datagrams. The other kinds
// are "fifo", "mqueue", and "special", a character device or a regular file.
func Only(kinds ...string) Check {
	return func(fd int) error {
		var wanted []fdKind
		var nouns []string
		for _, name := range kinds {
			k, ok := kindOf(name)
			if !ok {
				return fmt.Errorf("Only: there is no kind %q", name)
			}
			wanted, nouns = append(wanted, k), append(nouns, k.String())
		}
		info, err := inspect(fd)
		if err != nil {
			return err
		}
		if slices.Contains(wanted, info.kind()) {
			return nil
		}
		return &mismatch{
			sentinel: ErrWrongType,
			found:    info.kind(),
			problem:  fmt.Sprintf("is %s, not %s", info.describe(), strings.Join(nouns, " or ")),
			advice:   adviseKinds(info.kind(), wanted),
		}
	}
}

// adviseKinds says which directive makes one of the wanted kinds.
func adviseKinds(found fdKind, wanted []fdKind) string {
	var directives []string
	for _, k := range wanted {
		if d := k.directive(); d != "" && !slices.Contains(directives, d) {
			directives = append(directives, d)
		}
	}
	if slices.Contains(directives, found.directive()) {
		// The same directive makes both; the address decides which.
		return "change the address of " + found.directive()
	}
	if len(directives) == 0 {
		return "pass another descriptor"
	}
	return "use " + strings.Join(directives, " or ")
}

// runCheck asks one check about fd, and completes its error for the getter.
func runCheck(r request, fd int, check Check) error {
	err := check(fd)
	if err == nil {
		return nil
	}
	m, ours := err.(*mismatch)
	if !ours {
		return r.error(err, fmt.Sprintf("fd %d: %v", fd, err), "")
	}
	e := r.error(m.sentinel, fmt.Sprintf("fd %d %s", fd, m.problem), m.advice+" in "+socketUnit(r.wanted))
	e.found = m.found
	return e
}

// mismatch is the error of this package's checks, to which the getter adds the
// name.
type mismatch struct {
	sentinel error
	found    fdKind
	problem  string
	advice   string
}

func (m *mismatch) Error() string { return m.problem }
func (m *mismatch) Unwrap() error { return m.sentinel }
