package notify

import (
	"fmt"
	"slices"
)

const (
	// maxFDs is SCM_MAX_FD: the most descriptors the kernel attaches to one datagram.
	maxFDs = 253

	// maxFDName is FDNAME_MAX of systemd, in bytes.
	maxFDName = 255
)

// FDStore is FDSTORE=1 with FDNAME=: systemd keeps duplicates of fds under name and
// hands them to the next main process (sd_listen_fds_with_names(3)), up to
// FileDescriptorStoreMax= in all; it closes further ones without a word. An entry
// whose other end hangs up is dropped.
//
// fds holds 1 to 253 descriptors, borrowed until Send returns. The name has
// 1 to 255 bytes of ASCII without control characters and ':'. A datagram has one name, so
// one FDStore.
func FDStore(name string, fds ...int) Field {
	if err := checkFDName(name); err != nil {
		return Field{err: err}
	}
	if len(fds) == 0 || len(fds) > maxFDs {
		return invalid("FDSTORE", "%d descriptors for %q: one datagram takes 1 to %d", len(fds), name, maxFDs)
	}
	for _, fd := range fds {
		if fd < 0 {
			return invalid("FDSTORE", "%d, for %q, is not an open descriptor", fd, name)
		}
	}
	return Field{
		assignments: []assignment{{"FDSTORE", "1"}, {"FDNAME", name}},
		fds:         slices.Clone(fds),
	}
}

// FDStoreNoPoll is [FDStore] with FDPOLL=0: the entry stays when its other end
// hangs up, until it is removed by name.
func FDStoreNoPoll(name string, fds ...int) Field {
	field := FDStore(name, fds...)
	if field.err == nil {
		field.assignments = append(field.assignments, assignment{"FDPOLL", "0"})
	}
	return field
}

// FDStoreRemove is FDSTOREREMOVE=1 with FDNAME=: systemd closes every descriptor
// it keeps under name. A name it does not know is no error.
func FDStoreRemove(name string) Field {
	if err := checkFDName(name); err != nil {
		return Field{err: err}
	}
	return Field{assignments: []assignment{{"FDSTOREREMOVE", "1"}, {"FDNAME", name}}}
}

// checkFDName says whether name can be an FDNAME=: 1 to 255 bytes of ASCII without
// control characters and without ':', which separates the names in LISTEN_FDNAMES.
// systemd would ignore any other name and store the descriptors as "stored".
func checkFDName(name string) error {
	if name == "" || len(name) > maxFDName {
		return fmt.Errorf("FDNAME=: %q has %d bytes: want 1 to %d", name, len(name), maxFDName)
	}
	for i := range len(name) {
		if c := name[i]; c < ' ' || c > '~' || c == ':' {
			return fmt.Errorf("FDNAME=: %q has %q at byte %d: want ASCII without control characters and ':'", name, c, i)
		}
	}
	return nil
}
