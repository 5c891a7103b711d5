package units

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Running is how a service runs, for the rules that compare that with its units.
type Running struct {
	Status Status // of the service, as systemd has it

	// Serving says that its main process serves, by its own account.
	Serving bool

	// Sockets are those that the main process has from systemd, by its own account;
	// nil: it says nothing.
	Sockets []Listening

	// Keeps is how many entries the service wants systemd to keep. Zero: none, or
	// not known.
	Keeps int

	// Inactive are the .socket units that are not active.
	Inactive []string

	// These come from this machine's /proc alone, which shows them to root and to
	// the service's user. Dropped takes root.

	// Own are the further sockets that the main process listens on, and has bound
	// by itself.
	Own []Listening
	// Dropped are those of Sockets that systemd has open no more.
	Dropped []Listening
	// Gone are those of Sockets whose path is not there any more, Replaced those whose
	// path is that of another socket now.
	Gone, Replaced []Listening
}

// Listening is a socket that is listened on: its name, if systemd has given it one,
// the network as in package net ("tcp", "udp", "unix", "unixgram", "unixpacket") and the
// address ("[::]:8080", "/run/web.sock", "@abstract").
type Listening struct{ Name, Network, Address string }

// Running looks at the service of a pair that [Conn.Pair] has returned. says is the
// service's own report, of which Serving, Sockets and Keeps are taken.
func (c *Conn) Running(ctx context.Context, p Pair, says Running) (*Running, error) {
	r := &Running{Serving: says.Serving, Sockets: says.Sockets, Keeps: says.Keeps}
	var err error
	if r.Status, err = c.Query(ctx, p.Service.Name); err != nil {
		return nil, err
	}
	for _, s := range p.Sockets {
		status, err := c.Query(ctx, s.Name)
		if err != nil {
			return nil, err
		}
		if status.Active != "active" && status.Active != "activating" {
			r.Inactive = append(r.Inactive, s.Name)
		}
	}
	if !c.local || r.Status.MainPID == 0 {
		return r, nil
	}
	manager, err := c.ManagerPID(ctx)
	if err != nil {
		return nil, err
	}
	mine, err := socketsOf(r.Status.MainPID)
	r.lookAtPaths(mine)
	if err == nil {
		r.look(manager, mine)
	}
	return r, nil
}

// lookAtPaths looks at the paths of the sockets that the service has; mine are the
// inodes of those of its main process, as far as they are known.
func (r *Running) lookAtPaths(mine map[uint64]bool) {
	bound, _ := boundTo() // without it, none is known to be replaced
	for _, l := range r.Sockets {
		if !strings.HasPrefix(l.Network, "unix") || !strings.HasPrefix(l.Address, "/") {
			continue
		}
		var stat unix.Stat_t
		switch err := unix.Stat(l.Address, &stat); {
		case errors.Is(err, fs.ErrNotExist), err == nil && stat.Mode&unix.S_IFMT != unix.S_IFSOCK:
			r.Gone = append(r.Gone, l)
		case err == nil && len(mine) > 0:
			there := bound[uint32(stat.Ino)]
			if len(there) > 0 && !slices.ContainsFunc(there, func(inode uint64) bool { return mine[inode] }) {
				r.Replaced = append(r.Replaced, l)
			}
		}
	}
}

// look compares the sockets of the main process with those of the manager. Sockets
// that this process may not see stay unknown.
func (r *Running) look(manager int, mine map[uint64]bool) {
	theirs, err := socketsOf(manager)
	seen := err == nil
	// systemd's sockets are in its network namespace; the service's own ones in the
	// service's, which may be another one.
	for inode, l := range listening(manager, mine) {
		if named := r.named(l); named >= 0 && seen && !theirs[inode] {
			r.Dropped = append(r.Dropped, r.Sockets[named])
		}
	}
	for inode, l := range listening(r.Status.MainPID, mine) {
		if r.named(l) < 0 && !theirs[inode] && (r.Sockets != nil || seen) {
			r.Own = append(r.Own, l)
		}
	}
	for _, all := range [][]Listening{r.Own, r.Dropped} {
		slices.SortFunc(all, func(a, b Listening) int { return strings.Compare(a.Network+a.Address, b.Network+b.Address) })
	}
}

// named is which of Sockets a socket is; -1: none.
func (r *Running) named(l Listening) int {
	return slices.IndexFunc(r.Sockets, func(s Listening) bool { return s.Network == l.Network && s.Address == l.Address })
}
