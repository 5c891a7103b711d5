package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/instar-project/instar/integration/machine"
	"github.com/instar-project/instar/integration/proof"
	"github.com/instar-project/instar/integration/prove/store/probing"
	"github.com/instar-project/instar/integration/stage"
)

var sizes = []int{1000, 4000, 8000, 18000}

const (
	// mostPlain is as far as plain entries are bearable, and as systemd can pass
	// their names.
	mostPlain = 8000
	// repetitions of a measurement, if it can be repeated; the median counts.
	repetitions = 7
)

// parking is the time that one size takes.
type parking struct {
	Connections int      `json:"connections"`
	Bundle      way      `json:"bundle"`
	Plain       *way     `json:"plain"`      // null: not bearable
	ParkRatio   *float64 `json:"park_ratio"` // plain / bundle
}

// way is one way to park connections.
type way struct {
	ParkMS    float64 `json:"park_ms"`    // until systemd has confirmed it
	RecoverMS float64 `json:"recover_ms"` // in the next process; of plain entries, only the rest of the work
	BackMS    float64 `json:"back_ms"`    // from kill -9 until the next process answers
	StallMS   float64 `json:"stall_ms"`   // the longest systemctl show meanwhile
	CameBack  int     `json:"came_back"`
}

// took is the probe's answer.
type took struct {
	Nanoseconds []float64 `json:"nanoseconds"`
	Count       int       `json:"count"`
}

func (t took) milliseconds() float64 { return milliseconds(median(t.Nanoseconds)) }

func measureParking(ctx context.Context, s *stage.Stage) ([]parking, error) {
	if err := probing.Install(ctx, s, "FileDescriptorStoreMax=20000"); err != nil {
		return nil, err
	}
	var all []parking
	for _, n := range sizes {
		p := parking{Connections: n}
		var err error
		if p.Bundle, err = park(ctx, s.Machine, n, "bundle", repetitions); err != nil {
			return all, fmt.Errorf("%d in a bundle: %w", n, err)
		}
		if n <= mostPlain {
			plain, err := park(ctx, s.Machine, n, "plain")
			if err != nil {
				return all, fmt.Errorf("%d plain: %w", n, err)
			}
			ratio := plain.ParkMS / p.Bundle.ParkMS
			p.Plain, p.ParkRatio = &plain, &ratio
		}
		all = append(all, p)
	}
	return all, nil
}

// park parks n connections, kills the process, recovers them in the next one, and asks
// every client whether it has its connection back.
func park(ctx context.Context, m *machine.Machine, n int, how string, args ...any) (w way, err error) {
	proof.Say("  parking %d connections: %s", n, how)
	conns, err := connect(ctx, m, n)
	if err != nil {
		return w, err
	}
	defer func() {
		for _, c := range conns {
			c.Close()
		}
		// The store goes with the service.
		err = errors.Join(err, m.System().Stop(ctx, probing.Unit))
	}()
	stall := watch(ctx, m)
	parked, err := probing.Measure[took](ctx, m, how, args...)
	if err != nil {
		stall()
		return w, err
	}
	w.ParkMS = parked.milliseconds()
	begin := time.Now()
	if _, err := probing.Ask(ctx, m, "die"); !errors.Is(err, probing.ErrDied) {
		stall()
		return w, fmt.Errorf("die: %w", err)
	}
	_, err = probing.Ask(ctx, m, "used")
	w.BackMS = milliseconds(float64(time.Since(begin)))
	w.StallMS = stall()
	if err != nil {
		return w, err
	}
	recovered, err := probing.Measure[took](ctx, m, "recover", repetitions)
	if err != nil {
		return w, err
	}
	w.RecoverMS = recovered.milliseconds()
	if w.CameBack, err = back(conns, how == "bundle"); err != nil {
		return w, fmt.Errorf("%d of %d recovered, %d came back: %w", recovered.Count, n, w.CameBack, err)
	}
	return w, nil
}

// connect opens the connections, each with its number for a label.
func connect(ctx context.Context, m *machine.Machine, n int) (conns []net.Conn, err error) {
	accepted := make(chan error, 1)
	go func() {
		_, err := probing.Ask(ctx, m, "accept", n)
		accepted <- err
	}()
	for i := range n {
		c, err := m.Dial(ctx, "tcp", probing.Connections)
		if err != nil {
			return conns, err
		}
		conns = append(conns, c)
		if err := binary.Write(c, binary.BigEndian, uint32(i)); err != nil {
			return conns, err
		}
	}
	return conns, <-accepted
}

// back reads the messages on the recovered connections: of a bundle, their labels.
func back(conns []net.Conn, labelled bool) (n int, err error) {
	for i, c := range conns {
		if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			return n, err
		}
		var label [4]byte
		if _, err := io.ReadFull(c, label[:]); err != nil {
			return n, err
		}
		if told := binary.BigEndian.Uint32(label[:]); labelled && told != uint32(i) {
			return n, fmt.Errorf("connection %d is told that it is %d", i, told)
		}
		n++
	}
	return n, nil
}

// watch asks systemd something all the time, until stall is called, which returns the
// longest time that it has taken to answer, in milliseconds.
func watch(ctx context.Context, m *machine.Machine) (stall func() float64) {
	ended := make(chan struct{})
	stop := make(chan struct{})
	var longest time.Duration
	go func() {
		defer close(ended)
		for {
			begin := time.Now()
			// A systemd too busy to answer in 25 s is an error of the client's.
			_, _ = m.System().Property(ctx, probing.Unit, "ActiveState")
			longest = max(longest, time.Since(begin))
			select {
			case <-stop:
				return
			case <-ctx.Done():
				return
			default:
			}
		}
	}()
	return func() float64 {
		close(stop)
		<-ended
		return milliseconds(float64(longest))
	}
}
