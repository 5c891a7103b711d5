// Package intake is where work comes in: the listeners and packet conns of one
// generation of a service, the gate they all pass, and the count of work in flight.
//
// The gate is all that moves from one generation to the next; the descriptors stay
// open in both. Accepting and receiving wait while it is closed, and an Intake that
// has closed it waits for its flight to land: the connections it has accepted, the
// datagrams it has received, and work that is neither.
//
// An Intake knows nothing of generations or systemd. The loop of package reload opens
// and closes it.
package intake

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"time"
)

// Intake is the intake of one generation. Make it with New.
type Intake struct {
	gate   *gate
	flight *flight
	log    *slog.Logger
}

// New returns an Intake whose gate is closed. log gets the passing trouble of sockets.
func New(log *slog.Logger) *Intake {
	return &Intake{newGate(), newFlight(), log}
}

// Open lets work in.
func (in *Intake) Open() { in.gate.Open() }

// Close lets no work in, and returns once no call is within accept(2) or recvmsg(2).
func (in *Intake) Close() { in.gate.Close() }

// Sockets is the set of sockets that the application has open, by name and address.
func (in *Intake) Sockets() map[string]bool { return in.gate.sockets() }

// Begin puts a piece of work in flight that is neither a connection nor a datagram. The
// first call of the function it returns ends it.
func (in *Intake) Begin() (done func()) {
	in.flight.begin()
	return sync.OnceFunc(in.flight.done)
}

// Connections is the number of open connections.
func (in *Intake) Connections() int { return in.flight.connections() }

// Landed waits until nothing is in flight. It returns ctx's error if that ends first.
func (in *Intake) Landed(ctx context.Context) error { return in.flight.wait(ctx) }

// Peers returns the addresses at the other ends of the oldest connections, most of them
// at most.
func (in *Intake) Peers(most int) []string { return in.flight.ends(most) }

// Cut closes every connection and returns their number. A peer that could take the end
// of half an answer for that of a whole one gets a reset.
func (in *Intake) Cut() int { return in.flight.cut() }

// Thin closes all connections but one, spread evenly from now until end, and returns
// their number. Those with an answer under way come last. It returns early when ctx ends,
// or nothing is left.
func (in *Intake) Thin(ctx context.Context, end time.Time) int { return in.flight.thin(ctx, end) }

// Listener returns ln, the socket of that name, as one that accepts while the gate is
// open, and whose connections are in flight until they are closed. ln is of package
// activation and has SetDeadline. The Listener owns it.
func (in *Intake) Listener(name string, ln net.Listener) *Listener {
	inner := ln.(deadlineListener)
	return &Listener{inner, in.gate.newDoor("accept", socket{name, ln.Addr()}, inner.SetDeadline), in}
}

// PacketConn returns pc, the socket of that name, as one that receives while the gate is
// open. It owns pc. Sending never waits: the answer to the last datagram leaves with the
// gate closed.
func (in *Intake) PacketConn(name string, pc net.PacketConn) net.PacketConn {
	r := &receiver{
		door: in.gate.newDoor("read", socket{name, pc.LocalAddr()}, pc.SetReadDeadline),
		in:   in,
	}
	switch pc := pc.(type) {
	case *net.UDPConn:
		return newUDPConn(pc, r)
	case *net.UnixConn:
		return &unixgramConn{pc, r}
	default:
		return &otherPacketConn{pc, r}
	}
}
