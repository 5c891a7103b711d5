// Package inject brings faults into a running service at an exact step of an
// upgrade, without a hook in the library: package reload logs every action and
// every change of phase at level debug, from the goroutine that carries them
// out and before it does, so a [slog.Handler] can kill the process right there.
//
// A test and the service share a directory:
//
//	order   a fault, and its step; written by the test, consumed by
//	        the first process that gets there
//	trace   the events, a JSON object a line: every step, the fault,
//	        and which process has accepted which connection
//
// A test matrix is made of the trace of an upgrade without a fault.
package inject
