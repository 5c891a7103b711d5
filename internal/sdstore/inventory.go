package sdstore

import (
	"cmp"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/instar-project/instar/activation"
)

// item is one entry of the store, and this process's descriptor of it.
type item struct {
	fdName string
	Name        // fdName taken apart; zero if it is not ours to understand
	fd     int  // owned by the inventory
	void   bool // a journal that was given up before it was used: see Journal.Rotate of fdstore
	asked  bool // a Keeper has asked for it in this generation
	device uint64
	inode  uint64
}

func newItem(fdName string, fd int) item {
	it := item{fdName: fdName, fd: fd}
	if n, ok := Parse(fdName); ok {
		it.Name = n
	}
	var st unix.Stat_t
	if unix.Fstat(fd, &st) == nil {
		it.device, it.inode = st.Dev, st.Ino
		it.void = it.Kind == Journal && st.Mode&unix.S_IFMT == unix.S_IFREG && st.Size == 0
	}
	return it
}

// inventory is the contents of the store, as far as this process knows: the entries it was
// passed, with its own changes since. systemd does not tell; but only the
// main process may change the store, and it is the one that keeps the inventory.
type inventory struct {
	items   []item
	highest map[Key]uint64 // the highest number ever used
}

func newInventory(entries []activation.Entry) *inventory {
	v := &inventory{highest: make(map[Key]uint64)}
	for _, e := range entries {
		v.add(newItem(e.Name, e.FD))
	}
	return v
}

func (v *inventory) add(it item) {
	v.items = append(v.items, it)
	v.highest[it.Key] = max(v.highest[it.Key], it.Number)
}

// fresh is a name for a new entry. Its number is above all that ever were: a datagram
// that removes an earlier one may still be under way.
func (v *inventory) fresh(key Key) Name {
	v.highest[key]++
	return Name{key, v.highest[key]}
}

// of returns the entries of a key, by number, and marks them as asked for.
func (v *inventory) of(key Key) []item {
	var found []item
	for i := range v.items {
		if v.items[i].Key == key {
			v.items[i].asked = true
			found = append(found, v.items[i])
		}
	}
	slices.SortStableFunc(found, func(a, b item) int { return cmp.Compare(a.Number, b.Number) })
	return found
}

// current is the entry of that key with the highest number.
func (v *inventory) current(key Key) (item, bool) {
	found := v.of(key)
	for _, it := range slices.Backward(found) {
		if !it.void {
			return it, true
		}
	}
	return item{}, false
}

// superseded returns the FDNAMEs of those entries of a key that a newer one has replaced:
// a death between storing the new one and removing the old one leaves them behind. A zero key stands
// for all.
func (v *inventory) superseded(key Key) []string {
	newest := make(map[Key]uint64)
	for _, it := range v.items {
		if !it.void {
			newest[it.Key] = max(newest[it.Key], it.Number)
		}
	}
	var names []string
	for _, it := range v.items {
		switch {
		case it.Kind == "" || it.Kind == Bundle:
		case key != Key{} && it.Key != key:
		case (it.void || it.Number < newest[it.Key]) && !slices.Contains(names, it.fdName):
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
// better to refuse a descriptor that systemd would have taken than to lose one that it drops.
func sameFile(a, b int) bool {
	const kcmpFile = 0
	pid := uintptr(unix.Getpid())
	order, _, errno := unix.Syscall6(unix.SYS_KCMP, pid, pid, kcmpFile, uintptr(a), uintptr(b), 0)
	return errno != 0 || order == 0
}
