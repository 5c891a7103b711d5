package notify

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/instar-project/instar/notify/notifytest"
)

func TestBarrier(t *testing.T) {
	checkDescriptors(t)
	m := notifytest.Start(t)
	n := open(t, m)
	for i := range 20 {
		if err := n.Send(Status(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.Barrier(t.Context()); err != nil {
		t.Fatal(err)
	}
	// No waiting here: that is the point of a barrier.
	got := m.Messages()
	if len(got) != 21 || got[19].Text != "STATUS=19" || got[20].Text != "BARRIER=1" {
		t.Errorf("received %v", got)
	}
}

func TestBarrierDeadline(t *testing.T) {
	checkDescriptors(t)
	m := notifytest.Start(t)
	m.HoldBarriers()
	n := open(t, m)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	err := n.Barrier(ctx)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), m.Address()) {
		t.Errorf("error %v; want DeadlineExceeded and the address", err)
	}
	m.ReleaseBarriers()
	if err := n.Barrier(t.Context()); err != nil {
		t.Errorf("the next barrier: %v", err)
	}
}

func TestBarrierCancelled(t *testing.T) {
	checkDescriptors(t)
	m := notifytest.Start(t)
	m.HoldBarriers()
	n := open(t, m)
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error)
	go func() { done <- n.Barrier(ctx) }()
	m.Wait(notifytest.Has("BARRIER=1"))
	cancel(why)
	if err := <-done; !errors.Is(err, why) {
		t.Errorf("error %v; want %v", err, why)
	}
	if err := n.Barrier(ctx); !errors.Is(err, why) {
		t.Errorf("with ctx done before: %v; want %v", err, why)
	}
}

// ctx counts also while the queue is full and the barrier cannot even be sent.
func TestBarrierAtStuckManager(t *testing.T) {
	checkDescriptors(t)
	n, _ := stuck(t, time.Millisecond)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- n.Barrier(ctx) }()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v; want Canceled", err)
	}
}

// A manager that goes away with the barrier in its queue looks like one that answers:
// the documentation says so.
func TestBarrierManagerGone(t *testing.T) {
	checkDescriptors(t)
	path := t.TempDir() + "/s"
	fd := listen(t, path)
	n, err := Dial(path)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	done := make(chan error)
	go func() { done <- n.Barrier(t.Context()) }()
	// Without taking it out of the queue, see that it has arrived.
	if _, _, err := unix.Recvfrom(fd, make([]byte, 16), unix.MSG_PEEK); err != nil {
		t.Fatal(err)
	}
	unix.Close(fd)
	if err := <-done; err != nil {
		t.Errorf("queue destroyed: %v; want nil", err)
	}
	if err := n.Barrier(t.Context()); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("socket closed: %v; want ECONNREFUSED", err)
	}
}
