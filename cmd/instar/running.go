package main

import (
	"context"
	"strings"

	"github.com/instar-project/instar/internal/status"
	"github.com/instar-project/instar/internal/units"
)

// runningPair is a service with its sockets and how it runs, as systemd has them and the
// service says: zero if it says nothing.
func runningPair(ctx context.Context, conn *units.Conn, unit string, says status.State) (units.Pair, error) {
	pair, err := conn.Pair(ctx, unit)
	if err != nil {
		return units.Pair{}, err
	}
	running := units.Running{Serving: says.Phase == "serving"}
	if says.Generation != 0 {
		running.Sockets = []units.Listening{} // not nil: it may have none
	}
	for _, s := range says.Sockets {
		running.Sockets = append(running.Sockets, units.Listening(s))
	}
	if says.Keeps {
		running.Keeps = max(1, says.StoreMax)
	}
	pair.Running, err = conn.Running(ctx, pair, running)
	return pair, err
}

// compare fills in the differences between the units of a service and the service as
// it runs.
func (r *report) compare(ctx context.Context, conn *units.Conn, says status.State) {
	pair, err := runningPair(ctx, conn, r.Unit, says)
	if err != nil {
		return // the report has this error already
	}
	for _, l := range pair.Running.Own {
		r.Own = append(r.Own, socketReport(l))
	}
	for _, f := range units.VerifyRunning(pair, units.Options{}) {
		if f.Rule == "own-socket" {
			continue
		}
		text := f.Unit + ": " + f.Reason
		if f.Write != "" {
			text += "; write " + f.Write
		}
		r.Live = append(r.Live, text)
	}
}

// printCompared prints the findings of compare.
func (r report) printCompared(line func(label, format string, args ...any), p palette) {
	label := "own"
	for _, l := range r.Own {
		line(label, "%s%s: not from systemd, the next generation cannot bind it%s", p.busy, plain(strings.TrimSpace(l.Network+" "+l.Address)), p.end)
		label = ""
	}
	for _, problem := range r.Live {
		line("problem", "%s%s%s", p.bad, plain(problem), p.end)
	}
}
