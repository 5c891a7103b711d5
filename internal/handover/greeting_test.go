package handover

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestGreet(t *testing.T) {
	for _, n := range []int{0, 1, maxRights, maxRights + 1, 600} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			checkDescriptors(t)
			sent := memfds(t, n)
			predecessor, successor := pair(t)
			// The predecessor does not wait for anybody to read.
			if err := predecessor.Greet(Hello{Protocol: Current, Generation: 2}, sent); err != nil {
				t.Fatal(err)
			}
			h, got, err := successor.Greeted()
			if err != nil {
				t.Fatal(err)
			}
			if want := (Hello{Protocol: Current, Generation: 2, Descriptors: n}); !reflect.DeepEqual(h, want) {
				t.Errorf("%+v, want %+v", h, want)
			}
			if len(got) != n {
				t.Fatalf("%d descriptors, want %d", len(got), n)
			}
			for i, d := range got {
				if d.Name != sent[i].Name || content(t, d.FD) != sent[i].Name {
					t.Errorf("descriptor %d is %q with %q, want %q", i, d.Name, content(t, d.FD), sent[i].Name)
				}
				if flags, err := unix.FcntlInt(uintptr(d.FD), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
					t.Errorf("descriptor %d is inherited (%v)", i, err)
				}
				unix.Close(d.FD)
			}
			// They stay the sender's.
			for _, d := range sent {
				if content(t, d.FD) != d.Name {
					t.Errorf("%s is closed", d.Name)
				}
			}
		})
	}
}

func TestOfferState(t *testing.T) {
	for _, n := range []int{0, 1, 600} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			checkDescriptors(t)
			sent := memfds(t, n)
			predecessor, successor := pair(t)
			if err := predecessor.OfferState(sent); err != nil {
				t.Fatal(err)
			}
			m, _, err := successor.Receive()
			if err != nil || m != (State{Descriptors: n}) {
				t.Fatalf("Receive: %v, %v", m, err)
			}
			got, err := successor.TakeState(m.(State))
			if err != nil || len(got) != n {
				t.Fatalf("TakeState: %d descriptors, %v", len(got), err)
			}
			for i, d := range got {
				if content(t, d.FD) != sent[i].Name {
					t.Errorf("descriptor %d is %q, want %q", i, content(t, d.FD), sent[i].Name)
				}
				unix.Close(d.FD)
			}
		})
	}
}

func content(t *testing.T, fd int) string {
	t.Helper()
	buf := make([]byte, 64)
	n, err := unix.Pread(fd, buf, 0)
	if err != nil {
		t.Errorf("descriptor %d: %v", fd, err)
		return ""
	}
	return string(buf[:n])
}

func TestGreetedErrors(t *testing.T) {
	const hello = `{"type":"hello","protocol":{"major":1,"minor":0},"descriptors":3}`
	for _, c := range []struct {
		name string
		send func(t *testing.T, line *int, fd int)
		want string
		is   error
	}{
		{"gone at once", func(t *testing.T, line *int, _ int) {}, "waiting for hello: EOF", io.EOF},
		{"no hello", func(t *testing.T, line *int, fd int) {
			write(t, *line, `{"type":"takeover"}`, fd)
		}, "handover: takeover came before hello", nil},
		{"garbage", func(t *testing.T, line *int, fd int) {
			write(t, *line, `[1,2]`, fd)
		}, "waiting for hello: handover: \"[1,2]\" is no message", nil},
		{"gone midway", func(t *testing.T, line *int, fd int) {
			write(t, *line, hello)
			write(t, *line, `{"type":"descriptors","names":["a","b"]}`, fd, fd)
		}, "waiting for descriptors: EOF", io.EOF},
		{"more names", func(t *testing.T, line *int, fd int) {
			write(t, *line, hello)
			write(t, *line, `{"type":"descriptors","names":["a"]}`, fd)
			write(t, *line, `{"type":"descriptors","names":["b","c"]}`, fd)
		}, "handover: 2 names came with 1 descriptors", nil},
		{"more descriptors", func(t *testing.T, line *int, fd int) {
			write(t, *line, hello)
			write(t, *line, `{"type":"descriptors","names":["a"]}`, fd, fd)
		}, "handover: 1 names came with 2 descriptors", nil},
		{"none at all", func(t *testing.T, line *int, _ int) {
			write(t, *line, hello)
			write(t, *line, `{"type":"descriptors","names":[]}`)
		}, "handover: 0 names came with 0 descriptors", nil},
		{"another message between", func(t *testing.T, line *int, fd int) {
			write(t, *line, hello)
			write(t, *line, `{"type":"descriptors","names":["a"]}`, fd)
			write(t, *line, `{"type":"takeover"}`, fd)
		}, "handover: takeover came with 1 of 3 descriptors received", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			checkDescriptors(t)
			fd := memfds(t, 1)[0].FD
			conn, line := halfRaw(t)
			c.send(t, line, fd)
			unix.Close(*line)
			*line = -1
			h, got, err := conn.Greeted()
			if !reflect.DeepEqual(h, Hello{}) || got != nil || err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("Greeted: %+v, %v, %v, want %s", h, got, err, c.want)
			}
			if c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("Greeted: %v is no %v", err, c.is)
			}
		})
	}
}

// Messages that a later minor version sends between ours are not in the way.
func TestGreetedIgnoresUnknownTypes(t *testing.T) {
	checkDescriptors(t)
	fd := memfds(t, 1)[0].FD
	conn, line := halfRaw(t)
	write(t, *line, `{"type":"prelude"}`, fd)
	write(t, *line, `{"type":"hello","protocol":{"major":1,"minor":4},"descriptors":1}`, fd)
	write(t, *line, `{"type":"interlude"}`, fd)
	write(t, *line, `{"type":"descriptors","names":["a"]}`, fd)
	h, got, err := conn.Greeted()
	if err != nil || h.Protocol.Minor != 4 || len(got) != 1 {
		t.Fatalf("%+v, %v, %v", h, got, err)
	}
	unix.Close(got[0].FD)
}

// A predecessor of another major version is told so in words it understands:
// its own refuse is at least that.
func TestGreetedRefusesAnotherMajorVersion(t *testing.T) {
	checkDescriptors(t)
	fd := memfds(t, 1)[0].FD
	conn, line := halfRaw(t)
	write(t, *line, `{"type":"hello","protocol":{"major":2,"minor":0},"generation":{"n":2},"descriptors":"many"}`, fd)
	_, _, err := conn.Greeted()
	var version *VersionError
	if !errors.As(err, &version) || version.Ours != Current || version.Theirs != (Version{Major: 2}) {
		t.Fatalf("Greeted: %v", err)
	}
	const why = "handover: the other generation speaks protocol 2.0, this one 1.0: upgrade through a release that speaks both, or restart the unit"
	if err.Error() != why {
		t.Errorf("%v, want\n%s", err, why)
	}
	if got, _ := read(t, *line); got != `{"type":"refuse","protocol":{"major":1,"minor":0},"reason":"`+why+`","public":"`+why+`"}` {
		t.Errorf("the predecessor was told %s", got)
	}
}
