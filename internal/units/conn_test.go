package units

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
)

func TestNoBus(t *testing.T) {
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+filepath.Join(t.TempDir(), "none"))
	if _, err := Dial(t.Context(), System); !errors.Is(err, ErrNoBus) || !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "")
	t.Setenv("XDG_RUNTIME_DIR", "")
	if _, err := Dial(t.Context(), User); !errors.Is(err, ErrNoBus) {
		t.Error(err)
	}
}

func TestBusAddress(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", "/run/user/1000")
	for value, want := range map[string]string{
		"":                               "/run/user/1000/bus",
		"unix:path=/a/b":                 "/a/b",
		"unix:guid=12,path=/a/b;tcp:x=y": "/a/b",
		"unix:abstract=/tmp/x,guid=1":    "@/tmp/x",
		"tcp:host=localhost":             "",
	} {
		t.Setenv("DBUS_SESSION_BUS_ADDRESS", value)
		if got, err := busAddress(User); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", value, got, err)
		}
	}
}

// A bus that takes the connection and says nothing is let go when ctx is done.
func TestDialSilentBus(t *testing.T) {
	ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "bus"))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		io.ReadFull(c, make([]byte, 1)) // the client has begun
		cancel()
		io.Copy(io.Discard, c) // until it has closed
		c.Close()
	}()
	_, err = DialWith(ctx, func(ctx context.Context) (io.ReadWriteCloser, error) {
		return new(net.Dialer).DialContext(ctx, "unix", ln.Addr().String())
	})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestCheckUnitName(t *testing.T) {
	for name, good := range map[string]bool{"web.service": true, `a\x2db@1.service`: true, "web": false, "": false, ".service": false, "web.": false, "a/b.service": false, "a b.service": false} {
		if err := checkUnitName(name); (err == nil) != good {
			t.Errorf("%q: %v", name, err)
		}
	}
}
