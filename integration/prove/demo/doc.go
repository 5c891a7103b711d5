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
// What is shown and reported was counted by the clients (see integration/load),
// not by the services. At the end a table and, as the last line on standard
// output, one JSON object (see [report]) say what came of it. The exit status
// is 0 only if everything was as it should be: nothing failed, broken or lost,
// exactly one upgrade rolled back, ten upgrades of web and 50,000 requests
// made.
//
// It needs what integration/machine needs (root, systemd-nspawn, mmdebstrap) and
// the go command. The machine is removed at the end, also after an interrupt;
// what a killed demo leaves behind is removed by the next one.
//
//	story.go    the sequence: what is upgraded when, and how each upgrade is measured
//	build.go    the binaries
//	site.go     where the story plays: what it needs of a machine
//	machine.go  the site that is a machine with systemd
//	board.go    what is known at any moment; the story writes it, the screen reads it
//	screen.go   the live view of it
//	report.go   what came of it
package demo
