// Package demo upgrades two services under load, on a machine made for it, and shows
// that nothing is lost.
//
// It builds the examples web and echo, boots a throw-away machine with its own
// systemd, installs units and binaries, and puts mixed load on the services:
// short connections, keep-alive connections, long-lived echo streams, UDP
// queries. Then it replaces the binaries and calls `systemctl reload`, again
// and again. One of the new binaries crashes when it starts, and must be rolled
// back. The terminal shows it live; a log gets one line for each upgrade.
//
// All figures were counted by the clients (see integration/load), not by the
// services. At the end a table and, as the last line on standard output, one JSON
// object (see [report]) show the result. The exit status is 0 only if everything
// was as it should be: nothing failed, broken or lost, exactly one upgrade rolled
// back, ten upgrades of web and 50,000 requests made.
//
// It needs root, systemd-nspawn and mmdebstrap, as integration/machine does, and
// the go command. The machine is removed at the end, also after an interrupt; the
// next demo removes the remains of a killed one.
//
//	story.go    the sequence of upgrades, and how each is measured
//	build.go    the binaries
//	site.go     the scene of the story: the methods that it needs of a machine
//	machine.go  the site that is a machine with systemd
//	board.go    the present state; the story writes it, the screen reads it
//	screen.go   the live view of it
//	report.go   the result
package demo
