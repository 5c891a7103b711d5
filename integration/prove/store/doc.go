// Package store shows that nothing is lost when every process dies, and the cost:
// `make store`. On each version of systemd that INSTAR_SYSTEMD names, in a machine of
// its own:
//
//	chat     1,000 clients of examples/chat, which stay through 10 reloads, 5 restarts
//	         and 5 kill -9 of the whole unit, and count their losses
//	parking  1,000 to 18,000 connections parked in a bundle, and as plain entries,
//	         recovered by the process after; how long systemd does not answer meanwhile
//	rates    a journal and a bundle against write(2) and sendmsg(2)
//
// The tables are for people. The last line on standard output is one JSON object. The
// exit status is 1 when a client has lost anything, or something could not be
// measured. A target that was missed is reported.
//
//	store.go    versions, one after the other
//	story.go    the acts on the chat room
//	parking.go  connections, and their way back
//	rates.go    the ratios
//	target.go   the targets, and whether they are met
//	report.go   tables and JSON
//	members     the clients
//	probe       the service whose store is measured; probing sends it commands
package store
