// Package generation is the life of one generation of a service as a pure
// state machine: events go in, actions come out, nothing is done here.
//
// Every process of the service runs one. It begins as the first of its unit or
// as somebody's successor, serves, one day starts a successor of its own, and
// drains. The same machine holds all of it, since a process that drains may
// have to serve again:
//
//	Initialising ─► Ready ─► Entering ─► Probation ─┐              arriving.go
//	     │                                 │        │
//	     │                            HandingBack   │
//	     └──────────────────────────────────────────┴─► Serving
//
//	Serving ─► Preparing ─► Storing ─► Offering ─► TakingOver ◄─► Proving     upgrading.go
//	   ▲           │           └───────────┴───────────┤ │           │
//	   ├─────── Reverting                   TakingBack ◄─┼───────────┘
//	   │                                        │        │
//	   └─────────────────────────── Resuming ◄──┤        │
//	                                            │        │
//	                                        Draining ◄───┘                    leaving.go
//	                                            └─► Ended ◄─ Stopping
//
// Package reload is the shell that turns signals, messages, deaths and timers
// into events and carries the actions out. The tests here explore every order
// of events and deaths among several generations and a model of systemd, and
// hold these invariants:
//
//   - at most one generation accepts, and at most one may change the store;
//   - READY=1 follows every RELOADING=1, and every reload signal, unless the process
//     that has it is killed;
//   - systemd does not read READY=1 while the main process is one that has died and
//     could be followed by its predecessor: it would stop the unit;
//   - there are never two successors of one process;
//   - no generation that has handed over, refused, failed or hung stays for ever;
//   - as long as a process that was ready lives, and the service was not told to
//     stop, a process accepts or is about to.
package generation
