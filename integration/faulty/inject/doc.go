// Package inject brings faults into a running service at an exact step of an
// upgrade, without a hook in the library: package reload logs every action and
// every change of phase at level debug, from the goroutine that carries them
// out and before it does, so a [slog.Handler] can kill the process right there.
//
// A test and the service share a directory:
//
//	order   what is to go wrong, and where; written by the test, consumed by
//	        the first process that gets there
//	trace   what has happened, a JSON object a line: every step, the fault,
//	        and which process has accepted which connection
//
// The trace of an upgrade without a fault is what a test matrix is made of.
package inject
