// Package soak upgrades a service again and again under load, one time in ten to a
// build that is bad in one way or another, and looks for what is left behind:
// descriptors, processes, threads, memory of the service and of PID 1.
//
//	plan.go    which upgrade goes to which build, from a seed
//	soak.go    the upgrades
//	sample.go  what is measured meanwhile
//	report.go  what came of it, as the JSON of make soak
//
// make soak runs a thousand upgrades; the tests of package integration a few of them.
package soak
