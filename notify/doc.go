// Package notify lets a service talk to its service manager: it is the whole
// protocol of sd_notify(3), as typed fields.
//
// A service started with Type=notify, Type=notify-reload or NotifyAccess= finds
// the manager's address in NOTIFY_SOCKET. [Take] reads it, unsets it, so that no
// child speaks in the service's name by accident, and returns a [Notifier]:
//
//	n, err := notify.Take()
//	if err != nil {
//		return err
//	}
//	defer n.Close()
//	…
//	err = n.Send(notify.Ready, notify.Status("serving"))
//
// Outside systemd the variable is not set and Take returns a nil *Notifier. Every
// method of a nil Notifier does nothing and reports success, so a service needs
// no second code path to run by hand.
//
// # One call, one datagram
//
// Send turns its fields into exactly one datagram, which systemd applies as a
// whole. Only the functions of this package make a [Field], and no value can carry
// a second assignment: a newline or a NUL byte in it is an error, and then nothing
// is sent. So are a field given twice, fields that systemd would not apply together
// (READY=1 beside STOPPING=1) and messages that it would drop without a word: more
// than 4096 bytes, more than 253 descriptors, a bad FDNAME=. Such errors match
// [ErrInvalid].
//
// That a datagram was sent does not say that systemd accepted it: a sender that
// NotifyAccess= does not admit, or a descriptor beyond FileDescriptorStoreMax=,
// is ignored in silence. [Notifier.Barrier] waits until everything sent before
// has been processed; it does not tell accepted from ignored either.
//
// # Who owns which descriptor
//
// The Notifier owns one socket from [Take] or [Dial] to [Notifier.Close]. It is
// not connected: each datagram is addressed anew, so a manager that re-creates
// its socket is found again. It is close-on-exec.
//
// Descriptors given to [FDStore], [FDStoreNoPoll] and [MainPIDFD] are borrowed
// until Send has returned. systemd receives duplicates; the caller's own stay
// open and stay the caller's to close.
//
// # When the manager is stuck
//
// A datagram socket's queue can be full. Send waits up to five seconds for room
// and then fails with an error that matches [syscall.EAGAIN], so that a manager
// that has stopped reading cannot hang a service for ever.
//
// A message that must arrive all the same, such as the READY=1 that ends a reload, is
// for [Notifier.Post]: it never waits. A message that cannot be sent at once is sent
// in the background, in order, until the manager has it, the caller withdraws it, or a
// later message makes it moot.
//
// # Watchdog
//
// [WatchdogInterval] says how often systemd wants to hear from the service
// (WatchdogSec=), and [Notifier.KeepAlive] pings it while a health function of
// the service's own returns nil.
//
// # What it uses of the process
//
// Take reads NOTIFY_SOCKET and unsets it; [WatchdogInterval] reads WATCHDOG_USEC and
// WATCHDOG_PID, and leaves them. The package has no init, sets no variable and takes no
// signal.
//
// # Versions
//
// Man pages: sd_notify(3), sd_watchdog_enabled(3), systemd.service(5). systemd
// ignores assignments it does not know, so every field may be sent to every
// version; the fields younger than systemd 254, the lowest that Instar supports,
// say so: MAINPIDFDID=, MAINPIDFD=1 and VARLINKERROR= (257), RESTART_RESET=1 (258).
//
// Package notifytest has a manager's end of the socket, for tests.
package notify
