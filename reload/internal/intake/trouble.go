package intake

import (
	"errors"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// trouble counts the errors that have ended calls of accept(2) or recvmsg(2) in a
// row, though nothing is wrong with the socket.
type trouble struct{ inARow int }

const (
	// longestPause is short for a client that waits, and long for a loop that finds
	// nothing.
	longestPause = 50 * time.Millisecond
	// mostPassing is how many errors of the network in a row are taken for passing.
	mostPassing = 100
)

// pause returns how long to wait before a call that has ended with err is made again;
// zero: it is not.
func (t *trouble) pause(err error) time.Duration {
	t.inARow++
	switch {
	case isOneOf(err, scarcity):
		return longestPause
	case isOneOf(err, passing) && t.inARow < mostPassing:
		return min(time.Duration(t.inARow)*time.Millisecond, longestPause)
	}
	return 0
}

// scarcity of descriptors or memory is no reason to end a listener: connections
// that end give some back, and those that wait stay queued.
var scarcity = []unix.Errno{unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM}

// passing are the errors of one connection or datagram, which the next one need not
// share. See accept(2): Linux hands over the pending error of the new socket, and
// EPERM where a firewall or a security module forbids the connection; recvmsg(2)
// hands over an ICMP error about a datagram sent before.
var passing = []unix.Errno{
	unix.ECONNABORTED, unix.ECONNREFUSED, unix.ECONNRESET, unix.EHOSTDOWN, unix.EHOSTUNREACH,
	unix.ENETDOWN, unix.ENETUNREACH, unix.ENONET, unix.ENOPROTOOPT, unix.EOPNOTSUPP, unix.EPERM, unix.EPROTO,
}

func isOneOf(err error, errnos []unix.Errno) bool {
	errno, ok := errors.AsType[unix.Errno](err)
	return ok && slices.Contains(errnos, errno)
}
