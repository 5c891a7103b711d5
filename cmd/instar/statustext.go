package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/instar-project/instar/reload"
)

// palette is a set of escape sequences; the zero value has no colours.
type palette struct{ good, busy, bad, bar, faint, end string }

var colours = palette{
	good: "\x1b[32m", busy: "\x1b[33m", bad: "\x1b[31m", bar: "\x1b[36m", faint: "\x1b[2m", end: "\x1b[0m",
}

// scale is the number of connections that a full bar stands for. It only grows
// while a view is watched, so that a bar shrinks only if connections end.
type scale struct{ most map[string]int } // by service

// of is the most connections that a generation of the service has had.
func (s *scale) of(r report) int {
	if s.most == nil {
		s.most = make(map[string]int)
	}
	most := max(s.most[r.Name], r.State.Connections, 1)
	for _, d := range r.State.Draining {
		most = max(most, d.Connections)
	}
	s.most[r.Name] = most
	return most
}

const barWidth = 20

// gauge draws n of most. A nonzero share gets at least one block; a share below 100
// % never fills the bar.
func (p palette) gauge(n, most int) string {
	full := (n*barWidth + most/2) / most
	if n > 0 {
		full = max(full, 1)
	}
	if n < most {
		full = min(full, barWidth-1)
	}
	return p.bar + strings.Repeat("█", full) + p.end + p.faint + strings.Repeat("░", barWidth-full) + p.end
}

// printReports prints services for people, with an empty line between two.
func printReports(w io.Writer, all []report, now time.Time, p palette, bars *scale) error {
	var b bytes.Buffer
	for i, r := range all {
		if i > 0 {
			b.WriteByte('\n')
		}
		r.print(&b, now, p, bars)
	}
	_, err := w.Write(b.Bytes())
	return err
}

func (r report) print(b *bytes.Buffer, now time.Time, p palette, bars *scale) {
	fmt.Fprintf(b, "%s %s", r.bullet(p), plain(first(r.Unit, r.Name)))
	if s := r.State; s != nil {
		fmt.Fprintf(b, ": generation %d%s %s", s.Generation, build(s.Build), plain(s.Phase))
		if s.Since != nil {
			fmt.Fprintf(b, ", main since %s", ago(*s.Since, now))
		}
	}
	b.WriteByte('\n')
	line := func(label, format string, args ...any) {
		fmt.Fprintf(b, "%12s  %s\n", label, fmt.Sprintf(format, args...))
	}
	if u := r.Systemd; u != nil {
		facts := u.Active + " (" + u.Sub + ")"
		if u.Load != "loaded" {
			facts = u.Load
		}
		if u.MainPID != 0 {
			facts += fmt.Sprintf(", main PID %d", u.MainPID)
		}
		if u.Restarts != 0 {
			facts += ", " + count(u.Restarts, "restart")
		}
		if u.ActiveSince != nil && u.Active == "active" {
			facts += ", active since " + ago(*u.ActiveSince, now)
		}
		line("systemd", "%s", plain(facts))
		if u.NeedDaemonReload {
			line("", "%sthe unit files have changed: run systemctl daemon-reload%s", p.busy, p.end)
		}
	}
	if r.State != nil {
		r.printState(line, now, p, bars)
	}
	r.printCompared(line, p)
	if r.Problem != "" {
		line("problem", "%s%s%s", p.bad, plain(r.Problem), p.end)
	}
}

func (r report) printState(line func(label, format string, args ...any), now time.Time, p palette, bars *scale) {
	s := r.State
	if from := strings.TrimSpace(strings.TrimPrefix(s.Version, "(devel)") + " " + s.Revision); from != "" {
		line("built from", "%s", plain(from))
	}
	most := bars.of(r)
	generations := len(fmt.Sprint(s.Generation))
	digits := len(fmt.Sprint(most))
	line("connections", "generation %*d  %*d %s", generations, s.Generation, digits, s.Connections, p.gauge(s.Connections, most))
	label := "draining"
	for _, d := range s.Draining {
		line(label, "generation %*d  %*d %s PID %d%s, %s", generations, d.Generation, digits, d.Connections,
			p.gauge(d.Connections, most), d.PID, build(d.Build), closes(d.Deadline, now))
		label = ""
	}
	if s.Killed > 0 {
		line("killed", "%s%d older generations did not end in time: see instar logs%s", p.bad, s.Killed, p.end)
	}
	if s.Unsettled != "" {
		line("unsettled", "%ssystemctl stop would not drain yet: %s%s", p.busy, plain(s.Unsettled), p.end)
	}
	label = "sockets"
	for _, socket := range s.Sockets {
		line(label, "%s", plain(strings.TrimSpace(socket.Name+"  "+socket.Network+" "+socket.Address)))
		label = ""
	}
	if s.Store.Max > 0 {
		line("store", "%d of %d entries", s.Store.Used, s.Store.Max)
	}
	if u := s.Upgrade; u != nil {
		colour := p.good
		if !u.Succeeded {
			colour = p.bad
		}
		v := u.verdict
		v.LeftBehind = nil // the line on restarts has it
		line("upgrade", "%s%s%s, %s%s", colour, plain(briefly(v)), p.end, ago(v.Began, now), steps(v))
	}
	if failed := s.AttemptsNotLasting - s.underWay(); failed > 0 {
		line("upgrades", "%d begun, of which %d did not last", s.Attempts, failed)
	}
	label = "restart for"
	for _, change := range s.RestartNeeded {
		line(label, "%s%s%s", p.busy, plain(change), p.end)
		label = ""
	}
	label = "unit"
	for _, problem := range s.UnitProblems {
		line(label, "%s%s%s", p.busy, plain(problem), p.end)
		label = ""
	}
}

func (r report) bullet(p palette) string {
	switch {
	case r.State == nil || r.Systemd != nil && r.Systemd.Active == "failed":
		return p.bad + "×" + p.end
	case r.State.Phase != "serving" || len(r.State.Draining) > 0:
		return p.busy + "●" + p.end
	}
	return p.good + "●" + p.end
}

// briefly is a verdict in one line, without the unit.
func briefly(v reload.Verdict) string { return strings.TrimPrefix(v.String(), "upgrade ") }

// steps says how long each step of an upgrade took.
func steps(v reload.Verdict) string {
	var all []string
	for _, s := range v.Steps {
		all = append(all, fmt.Sprintf("%s %v", plain(s.Phase), rounded(s.Took)))
	}
	if len(all) == 0 {
		return ""
	}
	return " (" + strings.Join(all, ", ") + ")"
}

// rounded leaves three digits or so.
func rounded(d time.Duration) time.Duration {
	for unit := time.Microsecond; unit < time.Second; unit *= 10 {
		if d < 1000*unit {
			return d.Round(unit)
		}
	}
	return d.Round(time.Second)
}

// ago is a point in time for people: on this machine's clock, and how long ago.
func ago(t, now time.Time) string {
	text := t.In(now.Location()).Format(time.DateTime)
	if passed := now.Sub(t); passed >= 0 {
		text += fmt.Sprintf(", %v ago", passed.Truncate(time.Second))
	}
	return text
}

// closes is when the connections that are left are closed.
func closes(deadline, now time.Time) string {
	left := deadline.Sub(now).Truncate(time.Second)
	if left <= 0 {
		return "closes the rest now"
	}
	return fmt.Sprintf("closes the rest in %v, at %s", left, deadline.In(now.Location()).Format(time.TimeOnly))
}

func build(name string) string {
	if name == "" {
		return ""
	}
	return " (" + plain(name) + ")"
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
