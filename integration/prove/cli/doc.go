// Package cli shows that the command line sets up a service correctly, and tells the
// truth: `make cli`. On each version of systemd that INSTAR_SYSTEMD names, in a machine
// of its own, `instar init` sets up a service, and then
//
//	security  systemd-analyze security scores the pair that init has written, and
//	          instar verify has nothing to say of it
//	reload    20 upgrades by systemctl reload, five of them taken back: each exits
//	          with 0 if it has succeeded, and with 1 if not, and so does instar upgrade
//	owner     10,000 polls and more, at the same time: the service's name on the bus
//	          has an owner at every one
//
// The tables are for people. The last line on standard output is one JSON object. The
// exit status is 1 when a promise is broken or something could not be done.
//
//	cli.go      versions, one after the other
//	setup.go    the service, by instar init
//	upgrades.go the upgrades, and their exit statuses
//	owner.go    the polls
//	report.go   promises, tables and JSON
package cli
