package reload

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// library is the path of the module that this package is in.
const library = "github.com/instar-project/instar"

// checkOurs returns why the program at path must not be started: it is written in Go
// without this library. It would not know that it is only asked, or that another
// generation serves: it would run, against the same database, until it is killed. nil:
// it has the library, or it is not known, as for a shell script, or a program built
// without information on its modules.
//
// Only the tables of the file are read, which takes well under a millisecond.
func checkOurs(path string) error {
	if !isRegular(path) {
		return nil // to open a FIFO might take for ever; execve(2) refuses it at once
	}
	info := buildInfo(path)
	if info == nil || info.Main.Path == "" && len(info.Deps) == 0 {
		return nil
	}
	if info.Main.Path == library {
		return nil
	}
	for _, m := range info.Deps {
		if m.Path == library { // the path it is imported by, also where it is replaced
			return nil
		}
	}
	return fmt.Errorf("%s was not started: it is a Go program (%s) that does not use %s, and would not know that another generation serves: put the service there; if this one executes it, set Config.AllowForeign",
		path, info.Path, library)
}

// buildInfo reads the information of a Go program on its modules; nil: there is none. It
// does the work of debug/buildinfo for ELF files alone: that package would bring the
// readers of all other systems' formats into every service.
func buildInfo(path string) *debug.BuildInfo {
	f, err := elf.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	section := f.Section(".go.buildinfo")
	if section == nil || section.Size > maxBuildInfo {
		return nil
	}
	data, err := section.Data()
	if err != nil {
		return nil
	}
	return parseBuildInfo(data)
}

// maxBuildInfo is far beyond the list of modules of any program.
const maxBuildInfo = 16 << 20

// parseBuildInfo parses the section .go.buildinfo, as Go writes it since version 1.18: a
// header of 32 bytes, then the version of Go and the modules, each after its length. The
// modules stand between two marks of 16 bytes.
func parseBuildInfo(section []byte) *debug.BuildInfo {
	const magic, header, inline, mark = "\xff Go buildinf:", 32, 2, 16
	if !bytes.HasPrefix(section, []byte(magic)) || len(section) < header || section[len(magic)+1]&inline == 0 {
		return nil
	}
	_, rest, ok := cutString(section[header:])
	modules, _, ok2 := cutString(rest)
	if !ok || !ok2 || len(modules) < 2*mark {
		return nil
	}
	info, err := debug.ParseBuildInfo(string(modules[mark : len(modules)-mark]))
	if err != nil {
		return nil
	}
	return info
}

// cutString cuts a string off that stands after its length, a varint.
func cutString(b []byte) (s, rest []byte, ok bool) {
	n, width := binary.Uvarint(b)
	if width <= 0 || n > uint64(len(b)-width) {
		return nil, nil, false
	}
	b = b[width:]
	return b[:n], b[n:], true
}

func isRegular(path string) bool {
	var st unix.Stat_t
	return unix.Stat(path, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFREG
}

// failed is the failure of a start.
func (c command) failed(err error) error {
	err = fmt.Errorf("%w: %w", ErrSpawn, err)
	if errors.Is(err, unix.ENOEXEC) {
		err = fmt.Errorf("%w%s", err, architecture(c.path))
	}
	return openly(err)
}

// architecture says that a program is for another machine, or "".
func architecture(path string) string {
	if !isRegular(path) {
		return ""
	}
	f, err := elf.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	if f.Machine == machine() {
		return ""
	}
	return fmt.Sprintf(": it is built for %v, and this machine is %s: build it with GOARCH=%s", f.Machine, runtime.GOARCH, runtime.GOARCH)
}

// machine is the architecture of this process, as an ELF file names it.
func machine() elf.Machine {
	f, err := elf.Open("/proc/self/exe")
	if err != nil {
		return elf.EM_NONE
	}
	defer f.Close()
	return f.Machine
}
