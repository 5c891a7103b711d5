package core

import (
	"crypto/rand"
	"fmt"
	"net"
	"sync"

	"golang.org/x/sys/unix"
)

// A drainedSocket stands for a service manager where there is no systemd to be had:
// it reads messages, closes their descriptors, which answers barriers, and forgets
// them.
type drainedSocket struct {
	address string
	conn    *net.UnixConn
	reading sync.WaitGroup
}

func openDrainedSocket() (*drainedSocket, error) {
	address := "@instar-core-" + rand.Text()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("a socket to notify: %w", err)
	}
	s := &drainedSocket{address: address, conn: conn}
	s.reading.Go(s.drain)
	return s, nil
}

// drain ends with the socket.
func (s *drainedSocket) drain() {
	data, control := make([]byte, 4096), make([]byte, 4096)
	for {
		_, n, _, _, err := s.conn.ReadMsgUnix(data, control)
		if err != nil {
			return
		}
		// A malformed message carries no descriptors.
		messages, _ := unix.ParseSocketControlMessage(control[:n])
		for i := range messages {
			fds, _ := unix.ParseUnixRights(&messages[i])
			for _, fd := range fds {
				unix.Close(fd)
			}
		}
	}
}

func (s *drainedSocket) Close() error {
	err := s.conn.Close()
	s.reading.Wait()
	return err
}
