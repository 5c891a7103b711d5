package httpdrain

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Each way to HTTP/2.
var ways = map[string]struct {
	serve setting
	dial  func(*site) *client
	slow  bool // see its end as well, which takes a second
}{
	"TLS":                     {withTLS("h2"), func(s *site) *client { return s.dialTLS("h2") }, true},
	"TLS beside HTTP/1":       {withTLS("h2", "http/1.1"), func(s *site) *client { return s.dialTLS("h2") }, false},
	"native h2c":              {withH2C, (*site).dial, false},
	"a handler that hijacks":  {withHijacking, (*site).dial, false},
	"a handler that upgrades": {withHijacking, (*site).dialUpgrade, true},
}

// An idle connection is told to go, and closed by its server then.
func TestGoAwayWhenIdle(t *testing.T) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			s := start(t, forEver, 1, way.serve)
			c := way.dial(s).http2()
			c.wantAnswer("/", "fast")
			s.Drain(handedOver)
			<-c.goneAway
			if way.slow {
				c.wantEnd()
			}
			// It resumes, and drains again.
			s.Resume()
			c = way.dial(s).http2()
			c.wantAnswer("/", "fast")
			c.wantAnswer("/", "fast")
			s.Drain(handedOver)
			<-c.goneAway
		})
	}
}

// Streams under way come to their end, and those that cross GOAWAY are answered.
func TestGoAwayWhenBusy(t *testing.T) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			s := start(t, notAtAll, 1, way.serve)
			c := way.dial(s).http2()
			c.wantAnswer("/", "fast")
			answered := make(chan struct{})
			for _, path := range []string{"/slow", "/begun"} {
				go func() {
					c.wantAnswer(path, path[1:])
					answered <- struct{}{}
				}()
				<-s.inside
			}
			s.Drain(handedOver)
			<-c.goneAway
			s.release <- struct{}{}
			s.release <- struct{}{}
			<-answered
			<-answered
			c.wantEnd()
		})
	}
}

// A request that crosses GOAWAY on the network is answered, and not refused: the first
// one refuses nothing, the last one names the last answered stream.
func TestRequestCrossesGoAway(t *testing.T) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			s := start(t, forEver, 1, way.serve)
			c := way.dial(s)
			const settings, stream = "\x00\x00\x00\x04\x00\x00\x00\x00\x00", "\x00\x00\x00\x01"
			last := "\x00\x00\x00\x01"
			const get = "\x82\x86\x84\x41\x01x" // GET http://x/, by the static table
			io.WriteString(c, preface+settings)
			c.wantFrame(4, "")
			s.Drain(handedOver)
			c.wantFrame(7, "\x7f\xff\xff\xff\x00\x00\x00\x00")
			if name == "a handler that upgrades" {
				last = "\x00\x00\x00\x03" // 1 is the request that was upgraded
				io.WriteString(c, "\x00\x00\x06\x01\x05\x00\x00\x00\x03"+get)
			} else {
				io.WriteString(c, "\x00\x00\x06\x01\x05"+stream+get)
			}
			c.wantFrame(0, "fast")
			io.WriteString(c, "\x00\x00\x08\x06\x01\x00\x00\x00\x00"+pingData)
			c.wantFrame(7, last+"\x00\x00\x00\x00")
		})
	}
}

// wantFrame reads up to a frame of HTTP/2 of that type with that body; "": any.
func (c *client) wantFrame(kind byte, body string) {
	c.t.Helper()
	for {
		header := make([]byte, 9)
		if _, err := io.ReadFull(c.in, header); err != nil {
			c.t.Fatalf("no frame of type %d: %v", kind, err)
		}
		got := make([]byte, int(header[0])<<16|int(header[1])<<8|int(header[2]))
		if _, err := io.ReadFull(c.in, got); err != nil {
			c.t.Fatal(err)
		}
		if header[3] != kind {
			continue
		}
		if body != "" && string(got) != body {
			c.t.Errorf("a frame of type %d says %q, want %q", kind, got, body)
		}
		return
	}
}

// A connection that has become one of HTTP/2 after the drain began is told as well.
func TestGoAwayWhenLate(t *testing.T) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			s := start(t, short, 1, way.serve)
			s.Drain(handedOver)
			c := way.dial(s).http2()
			<-c.goneAway
		})
	}
}

// HTTP/2 that the user has switched off stays off.
func TestNoHTTP2(t *testing.T) {
	s := start(t, forEver, 1, withTLS("h2", "http/1.1"), func(user *http.Server, listeners []net.Listener) []net.Listener {
		user.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){}
		return listeners
	})
	c := s.dialTLS("http/1.1")
	c.ask("/")
	c.wantAnswer("fast", false)
	if s.front.TLSNextProto == nil || len(s.front.TLSNextProto) > 0 {
		t.Errorf("TLSNextProto is %v", s.front.TLSNextProto)
	}
}

func TestFrames(t *testing.T) {
	frame := func(kind, flags byte, body string) string {
		return string([]byte{0, 0, byte(len(body)), kind, flags, 0, 0, 0, 1}) + body
	}
	const settings, headers, continuation, data = 4, 1, 9, 0
	for _, test := range []struct {
		name, stream string
		want         bool
	}{
		{"nothing", "", false},
		{"the preface", "SM\r\n\r\n", false},
		{"the first frame", "SM\r\n\r\n" + frame(settings, 0, ""), true},
		{"half a header", "SM\r\n\r\n" + frame(settings, 0, "") + frame(data, 0, "")[:8], false},
		{"half a body", "SM\r\n\r\n" + frame(data, 0, "abc")[:11], false},
		{"a whole body", "SM\r\n\r\n" + frame(data, 0, "abc"), true},
		{"headers", "SM\r\n\r\n" + frame(headers, 4, "abc"), true},
		{"headers that go on", "SM\r\n\r\n" + frame(headers, 0, "abc"), false},
		{"and end", "SM\r\n\r\n" + frame(headers, 0, "abc") + frame(continuation, 4, "d"), true},
	} {
		f := frames{left: 6}
		if f.follow([]byte(test.stream)); f.between() != test.want {
			t.Errorf("after %s: a frame may stand there: %v, want %v", test.name, f.between(), test.want)
		}
	}
}

// However the stream is cut into reads, frames is at the same place.
func FuzzFrames(f *testing.F) {
	f.Add([]byte("SM\r\n\r\n\x00\x00\x03\x01\x00\x00\x00\x00\x01abc\x00\x00\x00\x09\x04\x00\x00\x00\x01"), 7)
	f.Fuzz(func(t *testing.T, stream []byte, cut int) {
		whole, pieces := frames{left: 6}, frames{left: 6}
		whole.follow(stream)
		for cut = max(1, cut); len(stream) > 0; {
			n := min(cut, len(stream))
			pieces.follow(stream[:n])
			stream = stream[n:]
		}
		if whole != pieces {
			t.Errorf("at once %+v, in pieces %+v", whole, pieces)
		}
	})
}

func withTLS(protocols ...string) setting {
	return func(_ *http.Server, listeners []net.Listener) []net.Listener {
		for i, ln := range listeners {
			listeners[i] = tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: protocols})
		}
		return listeners
	}
}

var certificate = func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}()

func withH2C(user *http.Server, listeners []net.Listener) []net.Listener {
	user.Protocols = new(http.Protocols)
	user.Protocols.SetHTTP1(true)
	user.Protocols.SetUnencryptedHTTP2(true)
	return listeners
}

// withHijacking serves HTTP/2 as golang.org/x/net/http2/h2c does: on a connection that
// is taken from net/http when it turns out to speak that.
func withHijacking(user *http.Server, listeners []net.Listener) []net.Listener {
	inner := user.Handler
	user.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		before := ""
		switch {
		case r.Method == "PRI":
			before = "PRI * HTTP/2.0\r\n\r\n"
		case r.Header.Get("Upgrade") != "h2c":
			inner.ServeHTTP(w, r)
			return
		}
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		if before == "" {
			io.WriteString(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
			rw.Flush()
		}
		read, _ := rw.Peek(rw.Reader.Buffered())
		ended := make(chan struct{})
		server := &http.Server{Handler: inner, Protocols: new(http.Protocols), ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateClosed {
				close(ended)
			}
		}}
		server.Protocols.SetUnencryptedHTTP2(true)
		server.Serve(&oneConn{Conn: &readAhead{c, io.MultiReader(strings.NewReader(before+string(read)), c)}})
		<-ended
	})
	return listeners
}

// oneConn is a listener that accepts one connection.
type oneConn struct {
	net.Conn
	accepted bool
}

func (l *oneConn) Accept() (net.Conn, error) {
	if l.accepted {
		return nil, net.ErrClosed
	}
	l.accepted = true
	return l.Conn, nil
}

func (l *oneConn) Addr() net.Addr { return l.LocalAddr() }
func (l *oneConn) Close() error   { return nil }

type readAhead struct {
	net.Conn
	from io.Reader
}

func (c *readAhead) Read(p []byte) (int, error) { return c.from.Read(p) }

func (s *site) dialTLS(protocol string) *client {
	s.t.Helper()
	c := s.dial()
	secure := tls.Client(c.Conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{protocol}})
	if err := secure.Handshake(); err != nil {
		s.t.Fatal(err)
	}
	return &client{secure, s.t, bufio.NewReader(secure)}
}

// dialUpgrade is a connection on which the server has agreed to go on with HTTP/2.
func (s *site) dialUpgrade() *client {
	s.t.Helper()
	c := s.dial()
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: \r\n\r\n")
	if r, err := http.ReadResponse(c.in, nil); err != nil || r.StatusCode != http.StatusSwitchingProtocols {
		s.t.Fatalf("upgrade: %v, %v", r, err)
	}
	return c
}

// http2Client is an HTTP/2 connection that repeats nothing, and looks out for GOAWAY.
type http2Client struct {
	*http.ClientConn
	t        *testing.T
	goneAway chan struct{}
	ended    chan error
}

// http2 makes one of a connection.
func (c *client) http2() *http2Client {
	c.t.Helper()
	h := &http2Client{t: c.t, goneAway: make(chan struct{}), ended: make(chan error, 1)}
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true) // whatever is below
	transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
		return &lookout{Conn: c.Conn, client: h}, nil
	}
	var err error
	if h.ClientConn, err = transport.NewClientConn(c.t.Context(), "http", "x:80"); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { h.Close() })
	return h
}

// wantAnswer may be called from any goroutine.
func (h *http2Client) wantAnswer(path, body string) {
	r, err := http.NewRequest("POST", "http://x"+path, nil)
	if err != nil {
		h.t.Error(err)
		return
	}
	answer, err := h.RoundTrip(r)
	if err != nil {
		h.t.Errorf("no answer: %v", err)
		return
	}
	got, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	if err != nil || string(got) != body || answer.ProtoMajor != 2 {
		h.t.Errorf("answer %q, %v by %s, want %q", got, err, answer.Proto, body)
	}
}

// wantEnd waits for the end of the connection, by either side.
func (h *http2Client) wantEnd() {
	h.t.Helper()
	if err := <-h.ended; !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
		h.t.Errorf("the connection ends with %v, want %v", err, io.EOF)
	}
}

// lookout reads along with its client.
type lookout struct {
	net.Conn
	client *http2Client
	frames frames
	told   bool
}

func (l *lookout) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	for i := range n {
		l.frames.follow(p[i : i+1])
		const goAway = 7 // the frame's type
		if l.frames.have == 0 && l.frames.header[3] == goAway && l.frames.seen && !l.told {
			l.told = true
			close(l.client.goneAway)
		}
	}
	if err != nil {
		select {
		case l.client.ended <- err:
		default:
		}
	}
	return n, err
}
