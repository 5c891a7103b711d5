package fdstore

import (
	"cmp"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/instar-project/instar/activation"
)

// item is one entry of the store, and this process's descriptor of it.
type item struct {
	fdName    string
	entryName      // what fdName says; zero if it is not ours to understand
	fd        int  // owned by the inventory
	void      bool // a journal that was given up before it was used: see Journal.Rotate
	asked     bool // the application has asked for it in this generation
	device    uint64
	inode     uint64
}

func newItem(fdName string, fd int) item {
	it := item{fdName: fdName, fd: fd}
	if n, ok := parseName(fdName); ok {
		it.entryName = n
	}
	var st unix.Stat_t
	if unix.Fstat(fd, &st) == nil {
		it.device, it.inode = st.Dev, st.Ino
		it.void = it.kind == KindJournal && st.Mode&unix.S_IFMT == unix.S_IFREG && st.Size == 0
	}
	return it
}

// key is the entry's kind and name, whatever its number.
func (it *item) key() entryName { return entryName{kind: it.kind, name: it.name} }

func (it *item) is(kind Kind, name string) bool { return it.kind == kind && it.name == name }

// inventory is what the store holds, as far as this process knows: what it was
// passed, and what it has put and removed since. systemd tells nobody; but only the
// main process may change the store, and it is the one that keeps the inventory.
type inventory struct {
	items   []item
	highest map[entryName]uint64 // by kind and name, number 0: the highest ever used
}

func newInventory(entries []activation.Entry) *inventory {
	v := &inventory{highest: make(map[entryName]uint64)}
	for _, e := range entries {
		v.add(newItem(e.Name, e.FD))
	}
	return v
}

func (v *inventory) add(it item) {
	v.items = append(v.items, it)
	v.use(it.entryName)
}

// use notes that the number of n has been given to an entry.
func (v *inventory) use(n entryName) {
	key := entryName{kind: n.kind, name: n.name}
	v.highest[key] = max(v.highest[key], n.number)
}

// fresh is a number for a new entry, above all that ever were: a datagram that
// removes an earlier one may still be under way.
func (v *inventory) fresh(kind Kind, name string) entryName {
	key := entryName{kind: kind, name: name}
	v.highest[key]++
	key.number = v.highest[key]
	return key
}

// of returns the entries of that kind and name, by number, and marks them as asked for.
func (v *inventory) of(kind Kind, name string) []item {
	var found []item
	for i := range v.items {
		if v.items[i].is(kind, name) {
			v.items[i].asked = true
			found = append(found, v.items[i])
		}
	}
	slices.SortStableFunc(found, func(a, b item) int { return cmp.Compare(a.number, b.number) })
	return found
}

// current is the entry of that kind and name with the highest number.
func (v *inventory) current(kind Kind, name string) (item, bool) {
	found := v.of(kind, name)
	for _, it := range slices.Backward(found) {
		if !it.void {
			return it, true
		}
	}
	return item{}, false
}

// superseded returns the FDNAMEs of entries that a newer one has replaced: what a
// death between storing the new one and removing the old one leaves behind. With kind ""
// it looks at all entries, else at those of that kind and name.
func (v *inventory) superseded(kind Kind, name string) []string {
	newest := make(map[entryName]uint64)
	for _, it := range v.items {
		if !it.void {
			newest[it.key()] = max(newest[it.key()], it.number)
		}
	}
	var names []string
	for _, it := range v.items {
		switch {
		case it.kind == "" || it.kind == KindBundle:
		case kind != "" && !it.is(kind, name):
		case (it.void || it.number < newest[it.key()]) && !slices.Contains(names, it.fdName):
			names = append(names, it.fdName)
		}
	}
	return names
}

// drop forgets all entries of an FDNAME, as systemd does, and closes their descriptors.
func (v *inventory) drop(fdName string) {
	v.items = slices.DeleteFunc(v.items, func(it item) bool {
		if it.fdName != fdName {
			return false
		}
		unix.Close(it.fd)
		return true
	})
}

// same finds the entry that is the same open file description as fd. systemd
// compares likewise, and drops the second of two without a word.
func (v *inventory) same(fd int) (item, bool) {
	probe := newItem("", fd)
	for _, it := range v.items {
		if it.device == probe.device && it.inode == probe.inode && sameFile(it.fd, fd) {
			return it, true
		}
	}
	return item{}, false
}

// sameFile is kcmp(2) with KCMP_FILE, of this process with itself. The two are known
// to have the same inode. Where a system call filter keeps kcmp away, that must do:
// better to refuse what systemd would have taken than to lose what it drops.
func sameFile(a, b int) bool {
	const kcmpFile = 0
	pid := uintptr(unix.Getpid())
	order, _, errno := unix.Syscall6(unix.SYS_KCMP, pid, pid, kcmpFile, uintptr(a), uintptr(b), 0)
	return errno != 0 || order == 0
}
