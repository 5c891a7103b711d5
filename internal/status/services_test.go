package status

import (
	"context"
	"errors"
	"io"
	"net"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"
)

// One connection lists the services, asks each, and hears of their changes.
func TestBus(t *testing.T) {
	b := startBus(t, open)
	all, err := OpenBus(t.Context(), b.address)
	if err != nil {
		t.Fatal(err)
	}
	defer all.Close()
	if names, err := all.Names(t.Context()); len(names) != 0 || err != nil {
		t.Errorf("with no service: %q, %v", names, err)
	}
	changes, stop, err := all.Watch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	c, err := all.Client(testName)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.State(t.Context()); !errors.Is(err, ErrAbsent) {
		t.Errorf("State with no service: %v", err)
	}

	b.startUnit("v1")
	for { // each change is told; in the end all of them have been
		<-changes
		if s, err := c.State(t.Context()); err == nil && s.Phase == "serving" {
			break
		}
	}
	names, err := all.Names(t.Context())
	if err != nil || !slices.Equal(names, []string{testName}) {
		t.Errorf("with one service: %q, %v", names, err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, err := c.State(t.Context()); err != nil {
		t.Errorf("closing a client has closed the bus: %v", err)
	}
	if _, err := all.Client("no name"); !errors.Is(err, ErrNoName) {
		t.Errorf("Client of a text that is no name: %v", err)
	}

	b.stop()
	for range changes { // until it is closed
	}
	if _, err := all.Names(t.Context()); err == nil {
		t.Error("Names on a bus that has gone has no error")
	}
}

// pipes is a command's standard input and output.
type pipes struct {
	io.Reader
	io.WriteCloser
	cmd *exec.Cmd
}

func (p pipes) Close() error {
	err := p.WriteCloser.Close()
	return errors.Join(err, p.cmd.Wait())
}

// A bus at the other end of systemd-stdio-bridge(1), as on another machine.
func TestBusByBridge(t *testing.T) {
	if _, err := exec.LookPath("systemd-stdio-bridge"); err != nil {
		t.Skipf("NOT RUN: %v", err)
	}
	b := startBus(t, open)
	b.startUnit("v1")
	serving(t, b.client(), 1)
	bridge, err := OpenBusWith(t.Context(), "the bus behind a bridge", func(context.Context) (io.ReadWriteCloser, error) {
		cmd := exec.Command("systemd-stdio-bridge", "--bus-path="+b.address)
		stdin, err := cmd.StdinPipe()
		if err != nil {
			return nil, err
		}
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			return nil, err
		}
		return pipes{stdout, stdin, cmd}, cmd.Start()
	})
	if err != nil {
		t.Fatal(err)
	}
	defer bridge.Close()
	c, err := bridge.Client(testName)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := c.State(t.Context()); err != nil || s.Generation != 1 {
		t.Errorf("%+v, %v", s, err)
	}
}

// An error on the way to a bus names it, and leaves nothing open.
func TestOpenBusWithFails(t *testing.T) {
	refused := errors.New("connection refused")
	_, err := OpenBusWith(t.Context(), "the bus of web1", func(context.Context) (io.ReadWriteCloser, error) { return nil, refused })
	if !errors.Is(err, refused) || !strings.Contains(err.Error(), "the bus of web1") {
		t.Errorf("%v", err)
	}
	here, there := net.Pipe()
	go func() {
		_, _ = there.Read(make([]byte, 64))
		there.Close()
	}()
	_, err = OpenBusWith(t.Context(), "the bus of web1", func(context.Context) (io.ReadWriteCloser, error) { return here, nil })
	if err == nil || !strings.Contains(err.Error(), "the bus of web1") {
		t.Errorf("%v", err)
	}
	if _, err := here.Write([]byte{0}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("the connection is still open: %v", err)
	}
}

// A main process that dies before it has answered is not the end of the question:
// the name goes to another, and so does the client.
func TestStateFollowsTheName(t *testing.T) {
	b := startBus(t, open)
	b.startUnit("v1")
	c := b.client()
	serving(t, c, 1)
	dying := b.dial()
	defer dying.Close()
	asked := make(chan struct{})
	err := dying.ExportMethodTable(map[string]any{
		"GetAll": func(string) (map[string]dbus.Variant, *dbus.Error) {
			close(asked)
			dying.Close()
			return nil, nil
		},
	}, Path, "org.freedesktop.DBus.Properties")
	if err != nil {
		t.Fatal(err)
	}
	if reply, err := dying.RequestName(testName, dbus.NameFlagReplaceExisting); err != nil || reply != dbus.RequestNameReplyPrimaryOwner {
		t.Fatal(reply, err)
	}
	s, err := c.State(t.Context())
	if err != nil || s.Generation != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	select {
	case <-asked:
	default:
		t.Error("the one that dies was not asked")
	}
}
