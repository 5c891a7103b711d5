package sdstore

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/instar-project/instar/internal/fdname"
)

// Kind is the kind of an entry.
type Kind string

// The kinds of entries. An entry of any other kind is a leftover of a version of
// this package that knew more: see [Store.Leftovers].
const (
	FD      Kind = "fd"      // one descriptor, put by a Keeper
	Blob    Kind = "blob"    // a sealed memory file
	Journal Kind = "journal" // an append-only memory file
	Bundle  Kind = "bundle"  // part of a bundle: a queue of descriptors, or its notes
)

func (k Kind) known() bool {
	switch k {
	case FD, Blob, Journal, Bundle:
		return true
	}
	return false
}

// An FDNAME has up to 255 bytes (FDNAME_MAX of systemd). The kind, the number and the
// text between take 36 of them.
const (
	maxKeeper = 64
	maxBoth   = 200 // of the Keeper's name and the entry's together
)

// Key is common to the entries of one thing, such as a bundle.
type Key struct {
	Kind   Kind
	Keeper string // whose it is; "" is a Keeper as well
	Name   string
}

func (k Key) String() string { return string(k.Kind) + " " + strconv.Quote(k.path()) }

// path is the name with that of its Keeper.
func (k Key) path() string {
	if k.Keeper == "" {
		return k.Name
	}
	return k.Keeper + "/" + k.Name
}

// A Name is an FDNAME of this package, taken apart:
//
//	instar.KIND.NAME.NUMBER
//	instar.KIND.KEEPER/NAME.NUMBER
//
// The number is there because FDSTOREREMOVE=1 removes every entry of a name:
// were the new and the old one called the same, an entry could only be replaced
// by removing it first, and a death in between would lose it. Of a blob, a
// journal or a plain descriptor the highest number is the current one; of a
// bundle, whose entries belong together, it merely tells them apart.
type Name struct {
	Key
	Number uint64
}

func (n Name) String() string {
	return fdname.ReservedPrefix + string(n.Kind) + "." + n.path() + "." + strconv.FormatUint(n.Number, 10)
}

// Reserved says whether an FDNAME is one of this package, to be claimed from an
// [activation.Set] for [Config].Entries.
func Reserved(fdName string) bool { return strings.HasPrefix(fdName, fdname.ReservedPrefix) }

// Parse takes an FDNAME apart. It is not ok if this package would not have
// written it.
func Parse(fdName string) (n Name, ok bool) {
	rest, ok := strings.CutPrefix(fdName, fdname.ReservedPrefix)
	if !ok {
		return Name{}, false
	}
	kind, rest, ok := strings.Cut(rest, ".")
	if !ok || !Kind(kind).known() {
		return Name{}, false
	}
	dot := strings.LastIndexByte(rest, '.') // names may hold dots, the number cannot
	if dot < 0 {
		return Name{}, false
	}
	number, err := strconv.ParseUint(rest[dot+1:], 10, 64)
	if err != nil {
		return Name{}, false
	}
	keeper, name, found := strings.Cut(rest[:dot], "/")
	if !found {
		keeper, name = "", keeper
	}
	n = Name{Key{Kind(kind), keeper, name}, number}
	// One spelling each: "007" would be removed as "7" and so never.
	return n, CheckKeeper(keeper) == nil && n.problem() == "" && n.String() == fdName
}

// CheckKeeper returns why no Keeper can have that name; nil: one can.
func CheckKeeper(name string) error {
	problem := unprintable(name)
	if len(name) > maxKeeper {
		problem = fmt.Sprintf("is longer than %d bytes", maxKeeper)
	}
	if problem != "" {
		return fmt.Errorf("%w: %q %s", ErrInvalidName, name, problem)
	}
	return nil
}

// problem is the reason why no entry can have this name, in words that follow it.
func (k Key) problem() string {
	switch {
	case k.Name == "":
		return "is empty"
	case len(k.path()) > maxBoth:
		return fmt.Sprintf("is, with that of its Keeper, longer than %d bytes", maxBoth)
	}
	return unprintable(k.Name)
}

// unprintable says why a name cannot be part of an FDNAME.
func unprintable(name string) string {
	for _, c := range []byte(name) {
		if c < ' ' || c >= 0x7f || c == ':' || c == '/' {
			return "holds a character other than printable ASCII without ':' and '/', see FDNAME= in sd_pid_notify_with_fds(3)"
		}
	}
	return ""
}
