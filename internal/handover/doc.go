// Package handover is the protocol between two generations of a service.
//
// A predecessor starts its successor with one end of a Unix seqpacket socket
// pair and keeps the other. Each datagram on it is one message: a JSON object
// with a "type", descriptors attached by SCM_RIGHTS where the message carries
// any. The socket stays open for as long as both processes live, so that
// end-of-file tells each of them that the other has gone.
//
//	predecessor                         successor
//	hello{protocol, generation, …} ───►
//	descriptors{names} + SCM_RIGHTS ──►
//	                               ◄─── last-words{} + SCM_RIGHTS: a stream for its last words, if it crashes
//	                               ◄─── ready{protocol, build, probation}
//	                                    (or refuse{reason, public, errno}: nothing has changed)
//	state{} + SCM_RIGHTS ─────────────►   the entries of the store, final (if there are any, or they are wanted)
//	                               ◄─── adopted{}
//	takeover{} ───────────────────────►   the predecessor accepts no more and names the successor main
//	taken-over{} ─────────────────────►   systemd has confirmed it: accept
//	                               ◄─── alive{}…, then proven{} or unhealthy{reason, …}   (with probation)
//	released{} ───────────────────────►   the successor sends READY=1
//	verdict{} ────────────────────────►   how the upgrade went
//	                               ◄─── superseded{}, resumed{}, stored{}, removed{}, stopping{}
//
// A process that is only asked whether it could follow (a preflight) has such a line
// too: it gets no descriptors, answers ready or refuse, and ends.
//
// A generation that drains tells the main process how far it is. When there is a
// new main process, the one before it makes a line of its own between that one and
// each older generation, so that no generation in between is needed:
//
//	main before                         main now            older generation
//	verdict{}, elder{} + SCM_RIGHTS ──►
//	line{} + SCM_RIGHTS ─────────────────────────────────► (over the line they have)
//	                                        ◄───────────── draining{connections, deadline}…
//	                                    cut{} ───────────►   (too many drain)
//
// # Two builds meet here
//
// The process at the other end was built from another version of this package, so
// the rules for change are strict. Within a major version fields and message types
// are only added; a reader ignores the ones it doesn't know. Across major versions
// "type", and "protocol" with its "major" and "minor" in hello, ready and refuse,
// stay where they are, so that a successor of another major version can be refused
// by name instead of by a parse error. testdata/transcripts holds the messages of
// each released version, and the tests replay them.
//
// # Ownership
//
// Send borrows the descriptors it is given. Receive hands the caller every
// descriptor that came with a message, close-on-exec, and the caller closes
// them.
package handover
