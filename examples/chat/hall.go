package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/instar-project/instar/fdstore"
	"github.com/instar-project/instar/reload"
)

// hall is the whole service, and its [reload.Keeper]. Two things of it are in the store
// at any time:
//
//	journal  lines said, joins, reads and leaves; rotated into a snapshot
//	bundle   the connections, from the moment they were accepted; the label is the
//	         nick, or empty before the client has joined
//
// So Park has nothing left to put there, and Adopt cannot tell an upgrade from a
// crash. Of a join the journal is written first, of a leave too: see adopt.
type hall struct {
	mu          sync.Mutex
	state       *state
	journal     *fdstore.Journal // nil: parked
	connections *fdstore.Bundle
	clients     map[*client]struct{}
	byNick      map[string]*client // those that have joined
	rotate      time.Time          // not before

	running sync.WaitGroup // the goroutines of the clients
}

const (
	journalSize = 8 << 20
	// rotateTimeout bounds how long the whole hall waits when systemd is busy.
	rotateTimeout = time.Second
	rotatePause   = 10 * time.Second
)

func newHall() *hall { return &hall{} }

// Adopt goes on from the store, whoever has written it.
func (h *hall) Adopt(ctx context.Context, store *fdstore.Store, from reload.Origin) (err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	defer func() {
		if err != nil {
			h.letGo()
		}
	}()
	h.clients, h.byNick = make(map[*client]struct{}), make(map[string]*client)
	if h.journal, err = store.Journal(ctx, "talk", fdstore.JournalConfig{Schema: schema, MaxSize: journalSize}); err != nil {
		return err
	}
	if h.state, err = replay(h.journal); err != nil {
		return err
	}
	if h.connections, err = store.Bundle(ctx, "connections"); err != nil {
		return err
	}
	for item, err := range h.connections.Recover() {
		if err != nil {
			return err
		}
		if err := h.adopt(item); err != nil {
			return err
		}
	}
	if err := h.forgetAbsent(); err != nil {
		return err
	}
	for c := range h.clients {
		h.start(c)
	}
	slog.Info("adopted", "from", from, "connections", len(h.clients), "members", len(h.state.Members), "rooms", len(h.state.Rooms))
	return nil
}

// replay reads the journal.
func replay(j *fdstore.Journal) (*state, error) {
	s, err := readState(j.Snapshot())
	if err != nil {
		return nil, err
	}
	for payload, err := range j.Records() {
		if err != nil {
			return nil, err
		}
		var r record
		if err := json.Unmarshal(payload, &r); err != nil {
			return nil, fmt.Errorf("a record of the journal: %w", err)
		}
		s.apply(r)
	}
	return s, nil
}

// adopt makes a client of a connection in the bundle. One whose member has left
// was about to be ended.
func (h *hall) adopt(item fdstore.Item) error {
	file := os.NewFile(uintptr(item.FD), "connection")
	defer file.Close() // FileConn has its own duplicate
	accepted, err := net.FileConn(file)
	if err != nil {
		return err
	}
	c := &client{hall: h, conn: accepted.(conn), id: item.ID, nick: string(item.Label), adopted: true}
	if c.nick != "" {
		m := h.state.Members[c.nick]
		if m == nil {
			return errors.Join(h.connections.EndConn(c.id, c.conn), c.conn.Close())
		}
		c.member, c.sent, c.welcome, c.acknowledge = m, m.Read, true, true
		h.byNick[c.nick] = c
	}
	h.clients[c] = struct{}{}
	return nil
}

// forgetAbsent lets members leave that have no connection: killed between the journal
// and the label, the join was not answered, and is still in the socket.
func (h *hall) forgetAbsent() error {
	for nick := range h.state.Members {
		if h.byNick[nick] == nil {
			if err := h.change(record{Op: left, Nick: nick}); err != nil {
				return err
			}
		}
	}
	return nil
}

// Park lets go of the connections. All that there is to keep is in the store already.
func (h *hall) Park(context.Context, *fdstore.Store) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.letGo()
	return nil
}

// letGo ends the goroutines of the clients, wherever they are, as a kill would, and
// closes the hall's descriptors. h.mu is held.
func (h *hall) letGo() {
	journal, connections := h.journal, h.connections
	h.journal, h.connections = nil, nil
	for c := range h.clients {
		c.interrupt()
	}
	h.mu.Unlock()
	h.running.Wait()
	h.mu.Lock()
	for c := range h.clients {
		c.conn.Close()
	}
	h.clients = nil
	if journal != nil {
		journal.Close()
	}
	if connections != nil {
		connections.Close()
	}
}

// admit puts a connection into the store as the first thing that happens to it. It
// owns the connection.
func (h *hall) admit(accepted net.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := &client{hall: h, conn: accepted.(conn)}
	var err error
	if h.connections == nil {
		err = fdstore.ErrStopped
	} else {
		c.id, err = h.connections.AddConn(c.conn, nil)
	}
	if err != nil {
		slog.Error("a connection is refused", "error", err)
		_, _ = c.conn.Write(appendError(nil, errors.New("the hall is full")))
		c.conn.Close()
		return
	}
	h.clients[c] = struct{}{}
	h.start(c)
}

// change writes a record and makes it so. h.mu is held.
func (h *hall) change(r record) error {
	if h.journal == nil {
		return fdstore.ErrStopped
	}
	payload, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if h.journal.NeedsRotation() && time.Now().After(h.rotate) {
		ctx, cancel := context.WithTimeout(context.Background(), rotateTimeout)
		defer cancel()
		if err := h.journal.Rotate(ctx, h.state.write); err != nil {
			slog.Warn("the journal goes on as it is", "error", err)
			h.rotate = time.Now().Add(rotatePause)
		}
	}
	if err := h.journal.Append(payload); err != nil {
		return err
	}
	h.state.apply(r)
	return nil
}
