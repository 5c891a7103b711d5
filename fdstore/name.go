package fdstore

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/instar-project/instar/activation"
)

// Kind is what a store entry holds. It is part of the entry's FDNAME.
type Kind string

// The kinds of entries. An entry of any other kind is a leftover of a version of
// this package that knew more: see [Store.Leftovers].
const (
	KindFD      Kind = "fd"      // one descriptor, put by the application
	KindBlob    Kind = "blob"    // a sealed memfd
	KindJournal Kind = "journal" // an append-only memfd
	KindBundle  Kind = "bundle"  // a queue of many descriptors
)

func (k Kind) known() bool {
	switch k {
	case KindFD, KindBlob, KindJournal, KindBundle:
		return true
	}
	return false
}

// MaxName is the length of the longest name of an entry, in bytes. An FDNAME has up to
// 255 (FDNAME_MAX of systemd); the rest is for the prefix, the kind and the number.
const MaxName = 200

// An entryName is an FDNAME of this package, taken apart:
//
//	instar.KIND.NAME.NUMBER
//
// The number is there because FDSTOREREMOVE=1 removes every entry of a name:
// were the new and the old one called the same, an entry could only be replaced
// by removing it first, and a death in between would lose it. Of a blob, a
// journal or a plain descriptor the highest number is the current one; of a
// bundle, whose entries belong together, it merely tells them apart.
type entryName struct {
	kind   Kind
	name   string
	number uint64
}

func (n entryName) String() string {
	return activation.ReservedPrefix + string(n.kind) + "." + n.name + "." + strconv.FormatUint(n.number, 10)
}

// parseName takes an FDNAME apart. It is not ok if this package would not have
// written it.
func parseName(fdName string) (n entryName, ok bool) {
	rest, ok := strings.CutPrefix(fdName, activation.ReservedPrefix)
	if !ok {
		return entryName{}, false
	}
	kind, rest, ok := strings.Cut(rest, ".")
	if !ok || !Kind(kind).known() {
		return entryName{}, false
	}
	dot := strings.LastIndexByte(rest, '.') // the name may hold dots, the number cannot
	if dot < 0 {
		return entryName{}, false
	}
	number, err := strconv.ParseUint(rest[dot+1:], 10, 64)
	if err != nil {
		return entryName{}, false
	}
	n = entryName{Kind(kind), rest[:dot], number}
	// One spelling each: "007" would be removed as "7" and so never.
	return n, nameProblem(n.name) == "" && n.String() == fdName
}

// nameProblem says what makes name unfit for an entry, in words that follow the
// name; "" if nothing does.
func nameProblem(name string) string {
	switch {
	case name == "":
		return "is empty"
	case len(name) > MaxName:
		return fmt.Sprintf("is longer than %d bytes", MaxName)
	}
	for _, c := range []byte(name) {
		if c < ' ' || c >= 0x7f || c == ':' {
			return "holds a character other than printable ASCII without ':', see FDNAME= in sd_pid_notify_with_fds(3)"
		}
	}
	return ""
}
