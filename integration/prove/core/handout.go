package core

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"
)

// handOut returns a command that starts a program with listening sockets, as
// systemd does for a .socket unit with these names; a shell sets LISTEN_PID= to its
// own PID, and then becomes the program. The addresses are those of the sockets, in
// the order of the names. done closes this process's descriptors; call it after the
// program has started, or was given up.
func handOut(ctx context.Context, program string, args, names []string) (cmd *exec.Cmd, addresses []string, done func(), err error) {
	var files []*os.File
	done = func() {
		for _, f := range files {
			f.Close()
		}
	}
	for range names {
		f, address, err := listen()
		if err != nil {
			done()
			return nil, nil, nil, err
		}
		files = append(files, f)
		addresses = append(addresses, address)
	}
	cmd = exec.CommandContext(ctx, "/bin/sh", append([]string{"-c", `LISTEN_PID=$$ exec "$0" "$@"`, program}, args...)...)
	cmd.Env = append(os.Environ(),
		fmt.Sprintf("LISTEN_FDS=%d", len(files)),
		"LISTEN_FDNAMES="+strings.Join(names, ":"))
	cmd.ExtraFiles = files
	return cmd, addresses, done, nil
}

// listen makes a listening socket as systemd does: TCP, never MPTCP, and known
// to no poller of this process, which every connection would wake.
func listen() (*os.File, string, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, "", os.NewSyscallError("socket", err)
	}
	f := os.NewFile(uintptr(fd), "listener")
	address, err := listenOn(fd)
	if err != nil {
		f.Close()
		return nil, "", err
	}
	return f, address, nil
}

func listenOn(fd int) (string, error) {
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return "", os.NewSyscallError("bind", err)
	}
	if err := unix.Listen(fd, unix.SOMAXCONN); err != nil {
		return "", os.NewSyscallError("listen", err)
	}
	bound, err := unix.Getsockname(fd)
	if err != nil {
		return "", os.NewSyscallError("getsockname", err)
	}
	in := bound.(*unix.SockaddrInet4)
	return netip.AddrPortFrom(netip.AddrFrom4(in.Addr), uint16(in.Port)).String(), nil
}
