package reload

import (
	"os"
	"slices"
	"strings"
)

// atStart is what this process was started with. It is noted when the package
// initialises, as programs cut os.Args down, load files into their environment and
// change their directory before Open, and a successor is to begin as this one did.
var atStart = Command{
	Argv:    fromProc("/proc/self/cmdline", os.Args),
	Environ: fromProc("/proc/self/environ", os.Environ()),
	Dir:     workingDirectory(),
}

// fromProc reads what the kernel has of execve(2), which another package's
// initialisation cannot have changed. Without /proc, or if this process may not read
// its own, the runtime's idea of it has to do.
func fromProc(path string, otherwise []string) []string {
	text, err := os.ReadFile(path)
	if err != nil || len(text) == 0 {
		return slices.Clone(otherwise)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00")
}

// workingDirectory is "" if it has no path here, as one outside of the root.
func workingDirectory() string {
	dir, err := os.Getwd()
	if err != nil || !strings.HasPrefix(dir, "/") {
		return ""
	}
	return dir
}
