package reload

import (
	"os"
	"slices"
	"strings"
)

// atStart is the command that started this process. It is noted when the package
// initialises, because programs cut os.Args down, load files into their environment
// and change their directory before Open, and a successor has to begin as this
// process did.
var atStart = Command{
	Argv:    fromProc("/proc/self/cmdline", os.Args),
	Environ: fromProc("/proc/self/environ", os.Environ()),
	Dir:     workingDirectory(),
}

// fromProc reads the arguments of execve(2) from the kernel, which another package's
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
