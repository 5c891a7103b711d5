// Package faults upgrades a service under load and lets one thing go wrong, at every step
// that either process takes, on real systemd 254, 257 and 262 (INSTAR_SYSTEMD
// chooses):
//
//	make faults
//
//	story.go     the upgrades: one that succeeds, one with a probation, one
//	             whose successor refuses, and so on
//	record.go    each is told once without a fault, and every step recorded
//	matrix.go    steps × faults: the cells. A verb or a phase that internal/generation
//	             has and no story gets to is a failure. Where a fault is not brought in
//	             at every step, the report says why
//	cell.go      one cell on one instance of integration/faulty
//	clients.go   the load, and the holders of lost connections
//	forecast.go  the consequences, as in ARCHITECTURE.md
//	judge.go     the outcome, against that: the process that serves, losses, two
//	             that wrote to the store or accepted at the same time
//	old.go       which processes of old generations did not end in time
//	busy.go      loops that keep the machine full (-busy, or make faults BUSY=15)
//	report.go    the table and, as the last line, the JSON
//
// Limits are those of an idle machine. They grow with the time that work takes (package
// site, pace.go).
//
// Flags narrow the matrix, for work on one cell: see -help.
package faults
