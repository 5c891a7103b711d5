// Probe measures for `make bench-core`: as a service in the machine, or with
// sockets that were handed to it.
//
//	probe notify            notify.Send and Barrier against the bare system calls
//	probe accept            the listener of package reload against a net.Listener
//	probe instant           a service whose reload has nothing to do
//	probe starter PROGRAM   starts a program, its sockets inherited, when told to
//
// notify and accept write their samples to standard output, as JSON. The other
// two serve until they are stopped.
package main

import (
	"encoding/json"
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 1 && args[0] == "notify":
		return measureNotify()
	case len(args) == 1 && args[0] == "accept":
		return measureAccept()
	case len(args) == 1 && args[0] == "instant":
		return reloadAtOnce()
	case len(args) == 2 && args[0] == "starter":
		return serveStarts(args[1])
	}
	return fmt.Errorf("%q: want notify, accept, instant or starter PROGRAM", args)
}

// write writes samples by figure, for the program that has started this one.
func write(samples map[string][]pair) error {
	return json.NewEncoder(os.Stdout).Encode(samples)
}
