package integration

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/instar-project/instar/integration/prove/store/members"
	"github.com/instar-project/instar/integration/prove/store/probing"
	"github.com/instar-project/instar/integration/stage"
)

// onChat tells a story of people in a chat room; none may lose anything.
func onChat(t *testing.T, people int, story func(s *site, m *members.Members), settings ...string) {
	onEach(t, func(t *testing.T, s *site) {
		s.release("chat", "examples/chat", "version=v1")
		s.install("chat", settings...)
		m, err := members.Join(s.ctx, members.Config{
			Dial: s.machine.Dial, Network: "tcp", Address: "127.0.0.1:7100",
			Members: people, RoomSize: 5, Pause: 50 * time.Millisecond, Newcomers: 10 * time.Millisecond,
		})
		s.must(err)
		story(s, m)
		ctx, cancel := context.WithTimeout(s.ctx, 10*time.Second)
		defer cancel()
		if c := m.Stop(ctx); c.Lost() || c.Lines == 0 || c.Deliveries < c.Lines {
			t.Errorf("%+v\n%s", c, s.journal())
		}
	})
}

// serves waits until a service does.
func (s *site) serves(service string) {
	s.Helper()
	s.eventually(service+" serves", func() bool { return s.show(service, "ActiveState") == "active" })
}

// kill ends every process of a service at once.
func (s *site) kill(service string) {
	s.Helper()
	_, err := s.manager.Systemctl(s.ctx, "kill", "--kill-whom=all", "--signal=SIGKILL", service+".service")
	s.must(err)
}

// People stay in their rooms whatever happens to the processes that serve them.
func TestChat(t *testing.T) {
	onChat(t, 50, func(s *site, _ *members.Members) {
		for range 2 {
			s.reload("chat")
			s.must(s.manager.Restart(s.ctx, "chat.service"))
			s.kill("chat")
			s.serves("chat")
			// Somewhere in an upgrade, which takes about that long: the reload may fail, of course.
			reloaded := make(chan error)
			go func() { reloaded <- s.manager.Reload(s.ctx, "chat.service") }()
			time.Sleep(rand.N(30 * time.Millisecond))
			s.kill("chat")
			<-reloaded
			s.serves("chat")
		}
	})
}

// With FileDescriptorStorePreserve=yes the store outlives systemctl stop.
func TestStorePreserved(t *testing.T) {
	onChat(t, 20, func(s *site, _ *members.Members) {
		for range 2 {
			s.must(s.manager.Stop(s.ctx, "chat.service"))
			s.must(s.manager.Start(s.ctx, "chat.service"))
		}
	}, "FileDescriptorStorePreserve=yes")
}

// A successor that has adopted everything, and served with it, is killed: its predecessor
// goes on with its state.
func TestTakeBackWithState(t *testing.T) {
	onChat(t, 20, func(s *site, m *members.Members) {
		predecessor := s.mainPID("chat")
		s.release("chat", "examples/chat", "version=v2", "probation=1m")
		reloaded := make(chan error, 1)
		go func() { reloaded <- s.manager.Reload(s.ctx, "chat.service") }()
		s.eventually("the successor is main", func() bool { return s.mainPID("chat") != predecessor })
		said := m.Counts().Deliveries
		s.eventually("much is said in the probation", func() bool { return m.Counts().Deliveries > said+500 })
		s.must(syscall.Kill(s.mainPID("chat"), syscall.SIGKILL))
		s.eventually("the predecessor is main again", func() bool { return s.mainPID("chat") == predecessor })
		<-reloaded
		if n := s.show("chat", "NRestarts"); n != "0" {
			s.Errorf("NRestarts=%s", n)
		}
		// The other way round: the predecessor goes first, and the successor stays.
		s.release("chat", "examples/chat", "version=v3", "probation=1m")
		go func() { reloaded <- s.manager.Reload(s.ctx, "chat.service") }()
		s.eventually("the next successor is main", func() bool { return s.mainPID("chat") != predecessor })
		s.must(syscall.Kill(predecessor, syscall.SIGKILL))
		s.gone(predecessor)
	})
}

// probe is a machine with a probe in it.
type probe struct{ *site }

func onProbe(t *testing.T, story func(p probe), settings ...string) {
	onEach(t, func(t *testing.T, s *site) {
		s.must(probing.Install(s.ctx, stage.On(s.machine, builder), settings...))
		story(probe{s})
	})
}

// does tells the probe to do something that must succeed.
func (p probe) does(command string, args ...any) string {
	p.Helper()
	answer, err := probing.Ask(p.ctx, p.machine, command, args...)
	if err != nil {
		p.Fatalf("%s %v: %v\n%s", command, args, err, p.journal())
	}
	return answer
}

// fails tells it to do something that must fail, and for that reason.
func (p probe) fails(why, command string, args ...any) {
	p.Helper()
	if _, err := probing.Ask(p.ctx, p.machine, command, args...); err == nil || !strings.Contains(err.Error(), why) {
		p.Errorf("%s %v: %v, want an error with %q", command, args, err, why)
	}
}

// leaves checks the entries that the probe has not asked for, ordered by name:
// systemd passes the store in an order of its own.
func (p probe) leaves(want ...string) {
	p.Helper()
	left := strings.Fields(p.does("leftovers"))
	slices.Sort(left)
	if !slices.Equal(left, want) {
		p.Errorf("leftovers %q, want %q", left, want)
	}
}

// dies tells it to do something that it does not survive.
func (p probe) dies(command string, args ...any) {
	p.Helper()
	if answer, err := probing.Ask(p.ctx, p.machine, command, args...); !errors.Is(err, probing.ErrDied) {
		p.Fatalf("%s %v: answer %q, %v", command, args, answer, err)
	}
}

// A reader that is killed half-way, at any half-way, has taken nothing.
func TestReaderKilled(t *testing.T) {
	const connections = 600
	onProbe(t, func(p probe) {
		clients := make([]net.Conn, connections)
		for i := range clients {
			c, err := p.machine.Dial(p.ctx, "tcp", probing.Connections)
			p.must(err)
			defer c.Close()
			p.must(binary.Write(c, binary.BigEndian, uint32(i)))
			clients[i] = c
		}
		p.does("accept", connections)
		p.does("bundle", 1)
		p.dies("die")
		for _, k := range []int{0, 1, 251, 252, 253, 400, connections - 1} {
			p.dies("half", k)
		}
		if answer := p.does("recover", 1); !strings.Contains(answer, fmt.Sprintf(`"count":%d`, connections)) {
			t.Errorf("recovered: %s", answer)
		}
		for i, c := range clients {
			p.must(c.SetReadDeadline(time.Now().Add(10 * time.Second)))
			var label [4]byte
			if _, err := io.ReadFull(c, label[:]); err != nil || binary.BigEndian.Uint32(label[:]) != uint32(i) {
				t.Fatalf("connection %d is told %x, %v", i, label, err)
			}
		}
	}, "FileDescriptorStoreMax=8")
}

// Whatever is wrong with the store has a name, and the service goes on.
func TestStoreErrors(t *testing.T) {
	onProbe(t, func(p probe) {
		p.fails("name: it is a socket's", "put", "connections")
		p.fails("FileDescriptorName=control", "save", "control", 1, "x")
		p.does("save", "one", 2, "first")
		p.does("put", "two")
		if used := p.does("used"); used != "2 of 3" {
			t.Errorf("used %s", used)
		}
		p.does("put", "three")
		p.fails("file descriptor store is full", "put", "four")
		p.fails("raise FileDescriptorStoreMax=", "save", "one", 2, "second") // one more for a moment
		if value := p.does("load", "one", 2); value != "first" {
			t.Errorf("after a change that failed: %q", value)
		}
		p.fails("newer schema", "load", "one", 1)
		p.dies("die")
		if value := p.does("load", "one", 2); value != "first" {
			t.Errorf("after a crash: %q", value)
		}
		p.fails("newer schema", "load", "one", 1)
		p.leaves("instar.fd.three.1", "instar.fd.two.1")
		p.does("discard", "instar.fd.two.1")
		p.fails("among the leftovers", "discard", "instar.blob.one.1")

		p.does("damage", "bad", "state")
		p.dies("die")
		p.fails("corrupt", "load", "bad", 1)
		p.fails("corrupt", "load", "bad", 1) // it is not destroyed by that
		p.does("discard", "instar.fd.three.1")

		p.does("future")
		p.dies("die")
		p.does("load", "one", 2)
		p.leaves("instar.blob.bad.1", "instar.hologram.mine.1")
		p.does("discard", "instar.hologram.mine.1")
		p.does("put", "four") // there is room again

		// It goes with systemctl stop, unless FileDescriptorStorePreserve=yes.
		p.must(p.manager.Stop(p.ctx, probing.Unit))
		if used := p.does("used"); used != "0 of 3" {
			t.Errorf("after a stop: used %s", used)
		}
	}, "FileDescriptorStoreMax=3")
}

// No store at all is an error that says which directive is missing.
func TestNoStore(t *testing.T) {
	onProbe(t, func(p probe) {
		p.fails("FileDescriptorStoreMax= is 0", "put", "anything")
		p.fails("no file descriptor store", "bundle", 1)
		if used := p.does("used"); used != "0 of 0" {
			t.Errorf("used %s", used)
		}
	}, "FileDescriptorStoreMax=0")
}
