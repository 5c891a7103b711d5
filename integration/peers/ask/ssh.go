package main

import (
	"bufio"
	"context"
	"slices"

	"github.com/instar-project/instar/integration/peers/tally"

	"golang.org/x/crypto/ssh"
)

// askSSH has four sessions, each to its end.
func askSSH(_ context.Context, address string, begun func(), t *tally.Tally) error {
	client := func(begun func()) {
		n, err := session(address, begun)
		if err != nil {
			t.Add("lost: after %d lines: %v", n, err)
			return
		}
		t.Add("sessions of %d", n)
	}
	together(begun, slices.Repeat([]func(func()){client}, 4))
	return nil
}

// session counts the lines of a session, and calls first after the first one.
func session(address string, first func()) (lines int, err error) {
	conn, err := ssh.Dial("tcp", address, &ssh.ClientConfig{User: "somebody", HostKeyCallback: ssh.InsecureIgnoreHostKey()})
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	s, err := conn.NewSession()
	if err != nil {
		return 0, err
	}
	stdout, err := s.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := s.Shell(); err != nil {
		return 0, err
	}
	for text := bufio.NewScanner(stdout); text.Scan(); lines++ {
		first()
	}
	return lines, s.Wait()
}
