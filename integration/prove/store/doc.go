// Package store shows that nothing is lost when every process dies, and what it costs:
// `make store`. On each version of systemd that INSTAR_SYSTEMD names, in a machine of
// its own:
//
//	chat     1,000 clients of examples/chat, who stay through 10 reloads, 5 restarts
//	         and 5 kill -9 of the whole unit, and count what they lose
//	parking  1,000 to 18,000 connections parked in a bundle, and as plain entries,
//	         recovered by the process after; how long systemd answers nobody meanwhile
//	rates    a journal and a bundle against write(2) and sendmsg(2)
//
// The tables are for people. The last line on standard output is one JSON object. The
// exit status is 1 when a client has lost anything, or something could not be
// measured. A target that was missed is reported.
//
//	store.go    versions, one after the other
//	story.go    what is done to the chat room
//	parking.go  connections, and their way back
//	rates.go    the ratios
//	target.go   what was to be reached, and whether it was
//	report.go   tables and JSON
//	members     the clients who count
//	probe       the service whose store is measured; probing tells it what to do
package store
