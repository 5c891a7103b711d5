// Faults upgrades a service under load and lets one thing go wrong, at every step
// that either process takes, on real systemd 254, 257 and 262 (INSTAR_SYSTEMD
// chooses):
//
//	make faults
//
//	story.go     the upgrades: one that succeeds, one with a probation, one
//	             whose successor refuses, and so on
//	record.go    each is told once without a fault, and every step recorded
//	matrix.go    steps × faults: the cells. A verb or a phase that internal/generation
//	             has and no story gets to is a failure
//	cell.go      one cell on one instance of integration/faulty
//	clients.go   the load, and who held what was lost
//	forecast.go  what ARCHITECTURE.md says must follow
//	judge.go     what did, against that
//	report.go    the table and, as the last line, the JSON
//
// Flags narrow the matrix, for work on one cell: see -help.
package main
