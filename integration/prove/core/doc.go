// Package core measures the cost of Instar beside the unavoidable one: each figure
// is Instar's time, or size, beside a bare one that was measured in the same run,
// in turn with it. The ratio counts; the times depend on the machine.
//
//	notify     Send, and Send with Barrier, against sendmsg(2); in a service of
//	           systemd where machines can be booted, else to a socket that is drained
//	accept     connect, accept and close through the listener of package reload,
//	           against a net.Listener
//	reload     SIGHUP to the first answer of the successor, against fork and exec of
//	           the same binary to its first answer, in the same sandbox
//	systemctl  the whole of systemctl reload, against that of a service whose
//	           reload has nothing to do, plus that fork and exec
//	footprint  the binary of examples/web and its resident memory, against the
//	           same server on plain net/http (integration/prove/core/plainweb)
//
// It measures and does not judge: a figure that misses its target is reported
// as it is, with where the time goes, and the exit status is 0. It is 1 when
// something could not be measured.
//
// The table is for people. The last line on standard output is one JSON object.
//
//	core.go       the measurements, in their order
//	stats.go      samples in pairs, and their summary
//	figure.go     one figure, its target and whether it is met
//	report.go     the table and the JSON
//	notify.go, accept.go, reload.go, size.go, memory.go   how each is measured
//	site.go       a machine with the services in it
//	starts.go     the client of a probe that starts a program when told to
//	handout.go    sockets for a process, handed out as systemd does
//	steps.go      the steps of an upgrade, from the journal
//	drained.go    a socket to notify where there is no systemd
//	samples.go    the measurements of a probe
//	resident.go   the memory of a process that has answered requests
//	probe         the program that measures, in the machine or outside
package core
