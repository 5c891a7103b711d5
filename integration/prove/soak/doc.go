// Package soak upgrades a service again and again under load, one time in ten to a
// build that is bad in one way or another, and looks for leaks: descriptors,
// processes, threads, memory of the service and of PID 1.
//
//	plan.go    which upgrade goes to which build, from a seed
//	soak.go    the upgrades
//	sample.go  the measurements meanwhile
//	report.go  the result, as the JSON of make soak
//
// make soak runs a thousand upgrades; the tests of package integration a few of them.
package soak
