package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/instar-project/instar/activation"
	"github.com/instar-project/instar/notify"
)

// A starter starts a program as systemd does, with every socket of its own
// named "http", when a client of its socket "control" says so. The client
// sends one word a line and gets one line back:
//
//	arm     a process waits to be the program    armed
//	start   it becomes the program               when, in ns of CLOCK_MONOTONIC
//	stop    it is killed                         stopped
//
// The process waits because LISTEN_PID= must be known when the program is
// executed, so its fork is long over by then. In its place a start begins with a
// fork that comes to nothing: its exec fails.
type starter struct {
	program string
	sockets []uintptr

	pid  int      // of the process; 0: none
	gate *os.File // it waits until this is closed; nil: it doesn't
}

func serveStarts(program string) error {
	set, err := activation.Take()
	if err != nil {
		return err
	}
	defer set.Close()
	control, err := set.Listener("control")
	if err != nil {
		return err
	}
	s := &starter{program: program}
	for _, e := range set.Entries() {
		if e.Name == "http" {
			s.sockets = append(s.sockets, uintptr(e.FD))
		}
	}
	n, err := notify.Take()
	if err != nil {
		return err
	}
	defer n.Close()
	if err := n.Send(notify.Ready); err != nil {
		return err
	}
	defer s.stop()
	for {
		c, err := control.Accept()
		if err != nil {
			return err
		}
		if err := errors.Join(s.converse(c), s.stop()); err != nil {
			return err
		}
	}
}

// converse ends when the client has gone.
func (s *starter) converse(c net.Conn) error {
	defer c.Close()
	for in := bufio.NewScanner(c); in.Scan(); {
		answer, err := s.obey(in.Text())
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(c, answer); err != nil {
			return err
		}
	}
	return nil
}

func (s *starter) obey(word string) (answer any, err error) {
	switch word {
	case "arm":
		return "armed", s.arm()
	case "start":
		return s.start()
	case "stop":
		return "stopped", s.stop()
	}
	return nil, fmt.Errorf("%q is none of arm, start, stop", word)
}

// arm starts a shell and returns when it waits at the gate.
func (s *starter) arm() error {
	if err := s.stop(); err != nil {
		return err
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socketpair", err)
	}
	names := slices.Repeat([]string{"http"}, len(s.sockets))
	s.pid, err = syscall.ForkExec("/bin/sh",
		[]string{"sh", "-c", `echo >&0; read -r _; LISTEN_PID=$$ exec "$0"`, s.program},
		&syscall.ProcAttr{
			Env: append(os.Environ(),
				fmt.Sprintf("LISTEN_FDS=%d", len(s.sockets)),
				"LISTEN_FDNAMES="+strings.Join(names, ":")),
			// Not by os.File.Fd, which would make the sockets blocking for everybody.
			Files: append([]uintptr{uintptr(pair[1]), 1, 2}, s.sockets...),
		})
	unix.Close(pair[1])
	if err != nil {
		unix.Close(pair[0])
		return fmt.Errorf("start a shell: %w", err)
	}
	s.gate = os.NewFile(uintptr(pair[0]), "gate")
	if _, err := s.gate.Read(make([]byte, 1)); err != nil {
		return fmt.Errorf("wait for a shell: %w", err)
	}
	return nil
}

// start forks, opens the gate, and returns when it began to.
func (s *starter) start() (at int64, err error) {
	if s.gate == nil {
		return 0, errors.New("start came before arm")
	}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return 0, os.NewSyscallError("clock_gettime", err)
	}
	if _, err := syscall.ForkExec("/nonexistent", []string{"nonexistent"}, nil); !errors.Is(err, syscall.ENOENT) {
		return 0, fmt.Errorf("fork: %w", err)
	}
	return now.Nano(), s.openGate()
}

func (s *starter) openGate() error {
	gate := s.gate
	s.gate = nil
	return gate.Close()
}

// stop kills the process and waits for its end.
func (s *starter) stop() error {
	if s.gate != nil {
		if err := s.openGate(); err != nil {
			return err
		}
	}
	if s.pid == 0 {
		return nil
	}
	pid := s.pid
	s.pid = 0
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		return os.NewSyscallError("kill", err)
	}
	for {
		if _, err := unix.Wait4(pid, nil, 0, nil); err != unix.EINTR {
			return os.NewSyscallError("wait4", err)
		}
	}
}
