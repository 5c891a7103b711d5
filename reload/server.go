package reload

import (
	"errors"
	"net"
)

// A Server serves one or more of the service's sockets for as long as its
// generation lives. [Streams] and [Packets] make one of a function; package
// httpdrain makes one of an http.Server.
//
// Connections need no attention here: those of [Service.Listener] are tracked,
// and a generation that drains waits for them. For any other work of a server, such as a
// shutdown that Drain has begun, it waits where that is announced by [Service.Begin].
//
// A server that hangs holds nobody: each method runs in a goroutine of its own, and what
// has not returned in time is named in the log.
type Server interface {
	// Serve serves until Close, or until Drain has nothing left to finish. Once one of
	// them was called its return ends this server and nothing else; an error is only
	// logged then. Any other return, nil included, ends this generation: systemd
	// restarts the service, or the predecessor takes back.
	Serve() error
	// Drain begins the drain: nothing new is accepted any more, what is in
	// flight should come to its end. It returns at once, within 5 s at most.
	Drain()
	// Resume ends a drain because this generation takes back; it returns like Drain,
	// and comes after that has returned. Many servers cannot serve again, since Drain has
	// ended their Serve or closed their sockets. They need do nothing here: where a server
	// has ended, or a socket that was open before the drain is not open after Resume, this
	// generation ends with an error, and systemd starts the service anew.
	Resume()
	// Close ends Serve, with whatever is still in flight; Serve has to return within 5 s.
	// It is called although Serve may have ended and all may be closed, and possibly
	// beside a Drain that hangs. Its error is only logged.
	Close() error
}

// A Stopper is a Server that drains in another way when the service stops. Nobody else
// accepts then, so it has no reason to keep connections that have nothing to finish:
// a client is answered when the service has ended and systemd starts it anew.
type Stopper interface {
	Server
	// Stop begins the drain of a stop: in the place of Drain, or after it if a
	// generation that drains is told to stop. It returns at once.
	Stop()
}

// Streams serves the connections of ln: each is handed to serve in a goroutine
// of its own and closed when serve returns. serve is not told of a drain; it
// ends when its connection does, or when the drain's deadline closes it.
func Streams(ln net.Listener, serve func(net.Conn)) Server {
	return &streams{ln, serve}
}

type streams struct {
	ln    net.Listener
	serve func(net.Conn)
}

func (s *streams) Serve() error {
	for {
		c, err := s.ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			s.serve(c)
		}()
	}
}

func (s *streams) Drain()       {}
func (s *streams) Resume()      {}
func (s *streams) Close() error { return s.ln.Close() }

// Packets serves the datagrams of pc one by one: answer gets each with its
// sender, and what it returns is sent back; nil: nothing is. The datagram is
// valid until answer returns.
func Packets(pc net.PacketConn, answer func(datagram []byte, from net.Addr) []byte) Server {
	return &packets{pc, answer}
}

type packets struct {
	pc     net.PacketConn
	answer func([]byte, net.Addr) []byte
}

func (p *packets) Serve() error {
	buf := make([]byte, 64<<10)
	for {
		n, from, err := p.pc.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		if reply := p.answer(buf[:n], from); reply != nil && from != nil {
			// A sender that has gone is no failure of the service.
			_, _ = p.pc.WriteTo(reply, from)
		}
	}
}

func (p *packets) Drain()       {}
func (p *packets) Resume()      {}
func (p *packets) Close() error { return p.pc.Close() }
