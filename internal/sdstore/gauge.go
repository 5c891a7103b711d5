package sdstore

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
)

// The kernel counts the descriptors in socket queues, those in flight, for each user: all
// bundles of all Keepers share one limit. So each shows on a gauge how many it has.

// Gauge is that of one bundle. It stays as it is while the bundle is closed, for its
// descriptors stay where they are.
type Gauge struct {
	own int64 // changed by the user of the bundle
	all *atomic.Int64
}

// NewGauge returns one of several that share a total.
func NewGauge(all *atomic.Int64) *Gauge { return &Gauge{all: all} }

// Gauge returns that of a bundle.
func (s *Share) Gauge(name string) *Gauge {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	return s.store.gauge(s.key(Bundle, name))
}

// gauge is Gauge. s.mu is held.
func (s *Store) gauge(key Key) *Gauge {
	g := s.gauges[key]
	if g == nil {
		g = NewGauge(&s.inFlight)
		s.gauges[key] = g
	}
	return g
}

// Set says how many the bundle has now.
func (g *Gauge) Set(n int) {
	g.all.Add(int64(n) - g.own)
	g.own = int64(n)
}

// All is how many all bundles of the service have.
func (g *Gauge) All() int { return int(g.all.Load()) }

// readGauges sets the gauges of bundles that are not open, and may never be: a bundle can be a
// leftover.
func (s *Store) readGauges() {
	for _, it := range s.inventory.items {
		if it.Kind == Bundle {
			g := s.gauge(it.Key)
			g.Set(int(g.own) + queuedIn(it.fd))
		}
	}
}

// queuedIn is how many descriptors are in a socket's queue, as far as the kernel tells: since
// Linux 5.12, see scm_fds in proc(5).
func queuedIn(fd int) int {
	file, err := os.Open(fmt.Sprintf("/proc/self/fdinfo/%d", fd))
	if err != nil {
		return 0
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), "scm_fds:"); ok {
			n, _ := strconv.Atoi(strings.TrimSpace(value))
			return n
		}
	}
	return 0
}
