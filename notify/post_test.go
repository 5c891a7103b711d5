package notify

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/instar-project/instar/notify/notifytest"
)

// moody is a manager's queue that takes messages, or does not.
type moody struct {
	mu      sync.Mutex
	refuses error // nil: it takes them
	sent    []string
}

func (m *moody) set(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refuses = err
}

func (m *moody) try(text []byte, _ []int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.refuses == nil {
		m.sent = append(m.sent, string(text))
	}
	return m.refuses
}

// send waits for room, as the kernel does.
func (m *moody) send(text []byte, fds []int) error {
	for range 10 {
		if err := m.try(text, fds); !errors.Is(err, unix.EAGAIN) {
			return err
		}
		time.Sleep(sendSlice / 10)
	}
	return unix.EAGAIN
}

func (m *moody) close() error { return nil }

// posting runs f with a Notifier to a manager in that mood, and checks the messages
// sent in the end.
func posting(t *testing.T, mood error, f func(t *testing.T, n *Notifier, m *moody), want ...string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := &moody{refuses: mood}
		n := &Notifier{address: "/run/notify", timeout: sendTimeout, transport: m, woken: make(chan struct{}, 1)}
		f(t, n, m)
		if err := n.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		n.Close()
		if !slices.Equal(m.sent, want) {
			t.Errorf("sent %q; want %q", m.sent, want)
		}
	})
}

// The usual case is one system call, and nothing is left behind.
func TestPostAtOnce(t *testing.T) {
	posting(t, nil, func(t *testing.T, n *Notifier, m *moody) {
		ticket := n.Post(Ready, Errno(0))
		select {
		case <-ticket.Done():
		default:
			t.Error("it was not sent at once")
		}
		if n.working != nil {
			t.Error("there is a goroutine for it")
		}
	}, "READY=1\nERRNO=0")
}

func TestPostWaitsForRoom(t *testing.T) {
	posting(t, unix.EAGAIN, func(t *testing.T, n *Notifier, m *moody) {
		began := time.Now()
		first := n.Post(MainPID(7), Ready)
		n.Post(MainPID(8), NotifyAccess("all"))
		if time.Since(began) != 0 {
			t.Error("Post has waited")
		}
		barrier := make(chan error)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		go func() { barrier <- n.sendBarrier(ctx, -1) }()
		synctest.Wait()
		time.Sleep(20 * time.Second)
		m.set(nil)
		if err := <-barrier; err != nil {
			t.Error(err)
		}
		if err := first.Wait(t.Context()); err != nil {
			t.Error(err)
		}
	}, "MAINPID=7\nREADY=1", "MAINPID=8\nNOTIFYACCESS=all", "BARRIER=1")
}

// A Send gives up after its time, and leaves nothing that is sent later.
func TestSendBehindWhatWasPosted(t *testing.T) {
	posting(t, unix.EAGAIN, func(t *testing.T, n *Notifier, m *moody) {
		n.Post(Ready)
		began := time.Now()
		if err := n.Send(Status("a")); !errors.Is(err, unix.EAGAIN) || !strings.Contains(err.Error(), "does not read") {
			t.Errorf("error %v; want EAGAIN and its advice", err)
		}
		if took := time.Since(began); took != sendTimeout {
			t.Errorf("it took %v; want %v", took, sendTimeout)
		}
		time.AfterFunc(sendSlice, func() { m.set(nil) })
		if err := n.Send(Status("b")); err != nil {
			t.Error(err)
		}
	}, "READY=1", "STATUS=b")
}

func TestPostWithdrawn(t *testing.T) {
	posting(t, unix.EAGAIN, func(t *testing.T, n *Notifier, m *moody) {
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		first, second := n.Post(MainPID(7)), n.Post(MainPID(8))
		synctest.Wait()
		// Neither the one that is being sent nor the one behind it arrives.
		for name, ticket := range map[string]*Ticket{"first": first, "second": second} {
			began := time.Now()
			if err := ticket.Wait(ended); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "MAINPID=") {
				t.Errorf("%s: %v; want Canceled and MAINPID=", name, err)
			}
			if took := time.Since(began); took > sendSlice {
				t.Errorf("%s: withdrawn after %v; want %v at most", name, took, sendSlice)
			}
		}
		n.Post(MainPID(9))
		m.set(nil)
	}, "MAINPID=9")
}

// One that was sent before it could be withdrawn was sent.
func TestPostSentMeanwhile(t *testing.T) {
	posting(t, unix.EAGAIN, func(t *testing.T, n *Notifier, m *moody) {
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		ticket := n.Post(MainPID(7))
		synctest.Wait()
		m.set(nil) // the one that sends it looks a little later
		if err := ticket.Wait(ended); err != nil {
			t.Error(err)
		}
	}, "MAINPID=7")
}

func TestPostSuperseded(t *testing.T) {
	posting(t, unix.EAGAIN, func(t *testing.T, n *Notifier, m *moody) {
		n.Post(Stopping)
		synctest.Wait()
		old := n.Post(Ready, Status("a"))
		n.Post(MainPID(7), Status("kept for its order"))
		n.Post(Status("kept for its access"), NotifyAccess("main"))
		n.Post(MainPID(8), Ready, Status("b"))
		if err := old.Wait(t.Context()); !errors.Is(err, errSuperseded) {
			t.Errorf("error %v; want %v", err, errSuperseded)
		}
		m.set(nil)
	}, "STOPPING=1", "MAINPID=7\nSTATUS=kept for its order",
		"STATUS=kept for its access\nNOTIFYACCESS=main", "MAINPID=8\nREADY=1\nSTATUS=b")
}

func TestPostKeepsNoPing(t *testing.T) {
	posting(t, unix.EAGAIN, func(t *testing.T, n *Notifier, m *moody) {
		if err := n.Post(Watchdog).Wait(t.Context()); !errors.Is(err, unix.EAGAIN) {
			t.Errorf("error %v; want EAGAIN", err)
		}
		m.set(nil)
		n.Post(Watchdog)
	}, "WATCHDOG=1")
}

// A socket that refuses is tried again, slowly; a caller that waits for an answer has
// it at once.
func TestPostRefused(t *testing.T) {
	posting(t, unix.ECONNREFUSED, func(t *testing.T, n *Notifier, m *moody) {
		reports := make(chan error, 9)
		n.Report(func(err error) { reports <- err })
		n.Post(Ready)
		time.Sleep(10 * retryPause)
		began := time.Now()
		if err := n.Send(Status("a")); !errors.Is(err, unix.ECONNREFUSED) || time.Since(began) != 0 {
			t.Errorf("error %v after %v; want ECONNREFUSED at once", err, time.Since(began))
		}
		m.set(nil)
		if first, then := <-reports, <-reports; !errors.Is(first, unix.ECONNREFUSED) || then != nil {
			t.Errorf("reported %v and %v; want the error once, and its end", first, then)
		}
	}, "READY=1")
}

func TestPostReportsFullQueue(t *testing.T) {
	posting(t, unix.EAGAIN, func(t *testing.T, n *Notifier, m *moody) {
		reports := make(chan error, 9)
		n.Report(func(err error) { reports <- err })
		began := time.Now()
		n.Post(Ready)
		if err := <-reports; !errors.Is(err, unix.EAGAIN) || time.Since(began) < sendTimeout {
			t.Errorf("reported %v after %v; want EAGAIN after %v", err, time.Since(began), sendTimeout)
		}
		m.set(nil)
		if err := <-reports; err != nil {
			t.Errorf("reported %v; want the end of it", err)
		}
	}, "READY=1")
}

func TestPostInvalid(t *testing.T) {
	posting(t, nil, func(t *testing.T, n *Notifier, m *moody) {
		var reported error
		n.Report(func(err error) { reported = err })
		err := n.Post(Status("a\nREADY=1")).Wait(t.Context())
		if !errors.Is(err, ErrInvalid) || !errors.Is(reported, ErrInvalid) {
			t.Errorf("error %v, reported %v; want ErrInvalid", err, reported)
		}
	})
}

func TestCloseDropsWhatWasPosted(t *testing.T) {
	for name, mood := range map[string]error{"full": unix.EAGAIN, "refused": unix.ENOENT} {
		t.Run(name, func(t *testing.T) {
			posting(t, mood, func(t *testing.T, n *Notifier, m *moody) {
				first, second := n.Post(Ready), n.Post(MainPID(7))
				time.Sleep(sendSlice / 3)
				ctx, cancel := context.WithTimeout(t.Context(), sendSlice)
				defer cancel()
				if err := n.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "READY=") {
					t.Errorf("Flush: %v; want DeadlineExceeded and READY=", err)
				}
				n.Close()
				for _, ticket := range []*Ticket{first, second} {
					if err := ticket.Wait(t.Context()); !errors.Is(err, os.ErrClosed) {
						t.Errorf("error %v; want os.ErrClosed", err)
					}
				}
			})
		})
	}
}

// The kernel's own queue, full, and emptied by a manager that comes to itself.
func TestPostToStuckManager(t *testing.T) {
	checkDescriptors(t)
	n, manager := stuck(t, sendTimeout)
	fd, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	var tickets []*Ticket
	for pid := range 20 { // more than max_dgram_qlen
		tickets = append(tickets, n.Post(MainPID(pid+1)))
	}
	withdrawn, cancel := context.WithCancel(t.Context())
	cancel()
	if err := tickets[3].Wait(withdrawn); !errors.Is(err, context.Canceled) {
		t.Errorf("withdrawing: %v", err)
	}
	done := make(chan error)
	go func() { done <- n.Send(FDStore("a", fd)) }()

	var got []string
	buf := make([]byte, maxDatagram)
	for len(got) == 0 || !strings.HasPrefix(got[len(got)-1], "FDSTORE=1") {
		size, _, err := unix.Recvfrom(manager, buf, 0)
		if err != nil {
			t.Fatal(err)
		}
		if text := string(buf[:size]); text != "READY=1" {
			got = append(got, text)
		}
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if len(got) != 20 || got[2] != "MAINPID=3" || got[3] != "MAINPID=5" || got[18] != "MAINPID=20" {
		t.Errorf("received %q", got)
	}
}

// A manager that is there only later.
func TestPostToAbsentManager(t *testing.T) {
	checkDescriptors(t)
	m := notifytest.Start(t)
	path := t.TempDir() + "/s"
	n, err := Dial(path)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	ticket := n.Post(Ready)
	if err := os.Symlink(m.Address(), path); err != nil {
		t.Fatal(err)
	}
	n.Send(Status("there")) // it does not wait for the next try
	if err := ticket.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	m.Wait(notifytest.Has("READY=1"))
}
