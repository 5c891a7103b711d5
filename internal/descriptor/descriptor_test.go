package descriptor

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

func TestDescriptors(t *testing.T) {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer CloseAll(ends[:])
	one, err := Duplicate(ends[0], 100)
	if err != nil || one < 100 {
		t.Fatalf("Duplicate: %d, %v", one, err)
	}
	sent := []int{one, ends[0]}
	if err := unix.Sendmsg(ends[0], []byte("x"), unix.UnixRights(sent...), nil, 0); err != nil {
		t.Fatal(err)
	}
	text, control := make([]byte, 1), make([]byte, unix.CmsgSpace(4*len(sent)))
	_, n, _, _, err := unix.Recvmsg(ends[1], text, control, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Rights(control[:n])
	if err != nil || len(got) != len(sent) {
		t.Fatalf("Rights: %v, %v", got, err)
	}
	all := append(got, one)
	for _, fd := range all {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("descriptor %d: %v, close-on-exec %d", fd, err, flags)
		}
	}
	CloseAll(all)
	for _, fd := range all {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); !errors.Is(err, unix.EBADF) {
			t.Errorf("descriptor %d is open: %v", fd, err)
		}
	}
	if got, err := Rights(nil); got != nil || err != nil {
		t.Errorf("of nothing: %v, %v", got, err)
	}
	if _, err := Rights(make([]byte, unix.CmsgLen(4))); err == nil {
		t.Error("of no control message: no error")
	}
}
