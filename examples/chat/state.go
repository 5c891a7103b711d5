package main

import (
	"encoding/json"
	"fmt"
	"io"
)

// schema is the version of state and record, as they stand in the store.
const schema = 1

// maxUnread bounds what a room remembers for members that have not read it. A
// member that is farther behind misses the oldest lines, and sees it by their
// numbers.
const maxUnread = 1000

// state is all rooms and members. It changes only by apply, live as in a replay, so
// the journal tells the whole history.
type state struct {
	Rooms   map[string]*room   `json:"rooms"`
	Members map[string]*member `json:"members"` // by nick
}

type room struct {
	Last  uint64 `json:"last"`            // number of the newest line
	Lines []line `json:"lines,omitempty"` // the newest ones, oldest first

	members map[string]*member // by nick
}

type line struct {
	Nick string `json:"nick"`
	Text string `json:"text"`
}

type member struct {
	Room string `json:"room"`
	Said uint64 `json:"said,omitempty"` // number of its last line
	Read uint64 `json:"read,omitempty"` // number of the last line of the room that it has read
}

// record is one change.
type record struct {
	Op   op     `json:"op"`
	Nick string `json:"nick"`
	Room string `json:"room,omitempty"` // joined
	N    uint64 `json:"n,omitempty"`    // said or read
	Text string `json:"text,omitempty"` // said
}

type op string

const (
	joined op = "join"
	said   op = "say"
	read   op = "read"
	left   op = "leave"
)

func newState() *state {
	return &state{Rooms: make(map[string]*room), Members: make(map[string]*member)}
}

// apply makes a change. One about a nick that is not there changes nothing.
func (s *state) apply(r record) {
	if r.Op == joined {
		s.join(r.Nick, r.Room)
		return
	}
	m := s.Members[r.Nick]
	if m == nil {
		return
	}
	in := s.Rooms[m.Room]
	switch r.Op {
	case said:
		m.Said = r.N
		in.Last++
		in.Lines = append(in.Lines, line{r.Nick, r.Text})
		in.Lines = in.Lines[max(0, len(in.Lines)-maxUnread):]
	case read:
		m.Read = r.N
	case left:
		delete(s.Members, r.Nick)
		delete(in.members, r.Nick)
		if len(in.members) == 0 {
			delete(s.Rooms, m.Room)
		}
	}
}

func (s *state) join(nick, name string) {
	in := s.Rooms[name]
	if in == nil {
		in = &room{members: make(map[string]*member)}
		s.Rooms[name] = in
	}
	m := &member{Room: name, Read: in.Last}
	s.Members[nick], in.members[nick] = m, m
}

// after yields the room's lines after number k, as far as it remembers.
func (r *room) after(k uint64) (first uint64, lines []line) {
	oldest := r.Last - uint64(len(r.Lines)) + 1
	first = max(k+1, oldest)
	return first, r.Lines[min(first-oldest, uint64(len(r.Lines))):]
}

// forget drops the lines that every member has read.
func (s *state) forget() {
	for _, r := range s.Rooms {
		all := r.Last
		for _, m := range r.members {
			all = min(all, m.Read)
		}
		_, r.Lines = r.after(all)
	}
}

// write writes a snapshot.
func (s *state) write(w io.Writer) error {
	s.forget()
	return json.NewEncoder(w).Encode(s)
}

// readState reads a snapshot; nothing at all is a state without members.
func readState(snapshot *io.SectionReader) (*state, error) {
	s := newState()
	if snapshot.Size() == 0 {
		return s, nil
	}
	if err := json.NewDecoder(snapshot).Decode(s); err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	for nick, m := range s.Members {
		in := s.Rooms[m.Room]
		if in == nil {
			return nil, fmt.Errorf("snapshot: %s is in room %s, which is not there", nick, m.Room)
		}
		if in.members == nil {
			in.members = make(map[string]*member)
		}
		in.members[nick] = m
	}
	return s, nil
}
