package faults

import (
	"slices"

	"github.com/instar-project/instar/integration/faulty/inject"
)

// forecast is a possible outcome of a cell.
type forecast struct {
	serves   server
	restarts int
}

// forecasts derives the outcome of a cell from the table of failures in
// ARCHITECTURE.md. There are several where two processes race and the table says
// so.
func (r recording) forecasts(c cell) []forecast {
	m := r.moment(c.step)
	switch c.fault {
	case inject.KillPredecessor:
		return r.predecessorDies(m)
	case inject.KillSuccessor:
		return r.successorDies(m)
	case inject.StopPredecessor:
		return r.predecessorHangs(m)
	case inject.StopBoth:
		return r.bothHang(m)
	case inject.HangAdopt, inject.HangPark:
		return r.keeperHangs(m)
	case inject.FailServer:
		return r.serverFails(m)
	case inject.FailSends:
		return r.sendsFail(m)
	case inject.KillBoth:
		return r.bothDie(m)
	case inject.StopSuccessor:
		return r.successorHangs(m)
	case inject.Exit1, inject.Exit0, inject.Panic:
		if c.step.Side == inject.Predecessor {
			return r.predecessorDies(m)
		}
		return r.successorDies(m)
	case inject.DiskFull:
		return r.diskFull(m)
	case inject.CloseNotify:
		return r.silent(m)
	}
	return r.asTold()
}

// moment is where in its story a step stands.
type moment struct {
	step inject.Step
	at   int
	peer bool
	// announced: the successor knows that its takeover has begun.
	announced bool
	// main is the main process in systemd's eyes: predecessor, successor, or ""
	// where the order of their acts is open.
	main server
	// watched: the predecessor watches a successor in its probation.
	watched bool
	// ended: the predecessor takes back no more.
	ended bool
}

func (r recording) moment(step inject.Step) moment {
	m := moment{step: step, at: r.index(step.Side, step.Kind, step.Name), main: predecessor}
	m.peer = r.steps[m.at].peer
	after := func(side inject.Side, kind, name string) bool {
		i := r.index(side, kind, name)
		return i >= 0 && m.at > i
	}
	// A step is recorded before it is carried out, so after means done.
	m.announced = after(inject.Predecessor, inject.Verb, "announce takeover")
	switch {
	case after(inject.Predecessor, inject.Verb, "name self"):
		m.main = predecessor
	case step.Side == inject.Successor && step.Name == "entering":
		m.main = ""
	case after(inject.Predecessor, inject.Verb, "name successor"):
		m.main = successor
	}
	_, proves := r.find(inject.Predecessor, inject.Phase, "proving")
	takingOver, _ := r.find(inject.Predecessor, inject.Phase, "taking over")
	m.watched = proves && m.at >= takingOver && !after(inject.Predecessor, inject.Verb, "release") &&
		!(step.Side == inject.Predecessor && (step.Name == "release" || step.Name == "draining"))
	if step.Side == inject.Predecessor {
		m.ended = step.Name == "ended" || after(inject.Predecessor, inject.Phase, "ended")
	} else {
		m.ended = !m.peer || after(inject.Predecessor, inject.Verb, "end")
	}
	return m
}

func (r recording) find(side inject.Side, kind, name string) (int, bool) {
	i := r.index(side, kind, name)
	return i, i >= 0
}

var (
	systemdRestarts = forecast{restarted, 1}
	takesBack       = forecast{predecessor, 0}
	carriesOn       = forecast{successor, 0}
)

// asTold is the outcome when the fault changes nothing.
func (r recording) asTold() []forecast { return []forecast{{r.story.serves, 0}} }

// predecessorDies: before systemd knows another main process, systemd restarts
// the service; after that the successor serves.
func (r recording) predecessorDies(m moment) []forecast {
	switch {
	case r.story.restart:
		return []forecast{{restarted, 0}} // it was asked to stop, and so it has
	case r.story.dies:
		return []forecast{systemdRestarts} // the successor dies as well
	case m.main == predecessor && m.announced && !m.named(r):
		// The successor carries on, if systemd listens to it.
		return []forecast{systemdRestarts, carriesOn}
	case m.main == predecessor:
		return []forecast{systemdRestarts}
	case m.main == "":
		return []forecast{systemdRestarts, carriesOn}
	case r.story.serves == predecessor:
		// An unwell successor serves on if it hears of it before it has given up.
		return []forecast{systemdRestarts, carriesOn}
	}
	return []forecast{carriesOn}
}

// named reports whether the successor has been named main, ever.
func (m moment) named(r recording) bool {
	i, ok := r.find(inject.Predecessor, inject.Verb, "name successor")
	return ok && m.at > i
}

// successorDies: the predecessor goes on or takes back, as long as it is there.
func (r recording) successorDies(m moment) []forecast {
	if r.story.restart || m.ended {
		return []forecast{systemdRestarts}
	}
	return []forecast{takesBack}
}

func (r recording) bothDie(m moment) []forecast {
	switch {
	case r.story.restart && m.step.Side == inject.Predecessor:
		return []forecast{{restarted, 0}}
	case r.story.serves == predecessor && m.step.Side == inject.Successor && !m.peer:
		return []forecast{takesBack}
	}
	return []forecast{systemdRestarts}
}

// successorHangs: its predecessor notices before the takeover and in a probation;
// elsewhere the watchdog of the unit does.
func (r recording) successorHangs(m moment) []forecast {
	switch {
	case r.story.restart:
		return []forecast{systemdRestarts}
	case m.watched && !m.ended:
		return []forecast{takesBack}
	case m.named(r) && m.main == predecessor:
		return []forecast{takesBack} // it has been taken back from already
	case m.announced, m.ended, m.step.Side == inject.Predecessor && (m.step.Name == "announce takeover" || m.step.Name == "taking over"):
		return []forecast{systemdRestarts}
	}
	return []forecast{takesBack}
}

// predecessorHangs: as long as it is the main process its watchdog notices. After that
// the successor ends it in time, and goes on.
func (r recording) predecessorHangs(m moment) []forecast {
	switch {
	case r.story.restart:
		return []forecast{{restarted, 0}} // systemd ends it after TimeoutStopSec=
	case r.story.dies:
		return []forecast{systemdRestarts} // the successor dies as well
	case m.main == predecessor && !m.announced, m.main == predecessor && m.named(r):
		return []forecast{systemdRestarts}
	case m.main == successor && r.story.serves == successor && !m.watched && m.step.Name != "release":
		return []forecast{carriesOn}
	}
	// A successor on trial leaves it to its predecessor to notice that it hangs, and is
	// restarted by the watchdog unless its predecessor is ended before that.
	return []forecast{systemdRestarts, carriesOn}
}

// bothHang: the watchdog notices, whichever is main.
func (r recording) bothHang(m moment) []forecast {
	if r.story.restart && m.step.Side == inject.Predecessor {
		return []forecast{{restarted, 0}}
	}
	return []forecast{systemdRestarts}
}

// keeperHangs: a process that cannot adopt cannot serve, and one that cannot park
// cannot serve again.
func (r recording) keeperHangs(m moment) []forecast {
	switch {
	case m.step.Side == inject.Successor:
		return r.successorDies(m)
	case r.story.restart:
		return []forecast{{restarted, 0}}
	}
	return []forecast{systemdRestarts}
}

// serverFails: it is the end of a process that serves or is about to. One that drains
// finishes that, but cannot serve again.
func (r recording) serverFails(m moment) []forecast {
	switch m.step.Name {
	case "draining", "stopping", "ended":
		if m.step.Side == inject.Predecessor && r.story.dies && m.step.Name == "draining" {
			return []forecast{systemdRestarts}
		}
		return r.asTold()
	}
	if m.step.Side == inject.Predecessor {
		if m.step.Name == "taking over" {
			// It may have named the successor before it hears of that.
			return append(r.predecessorDies(m), carriesOn)
		}
		return r.predecessorDies(m)
	}
	return r.successorDies(m)
}

// sendsFail: the successor is told of no entry that it cannot be sent. Messages to
// systemd are sent until it has them.
func (r recording) sendsFail(m moment) []forecast {
	if m.step.Side == inject.Predecessor && slices.Contains([]string{"spawn", "store", "offer"}, m.step.Name) && !r.story.restart {
		return []forecast{takesBack}
	}
	return r.asTold()
}

// diskFull: the upgrade fails if the state has not been parked yet.
func (r recording) diskFull(m moment) []forecast {
	if i, ok := r.find(inject.Predecessor, inject.Verb, "store"); ok && m.step.Side == inject.Predecessor && m.at <= i && !r.story.restart {
		return []forecast{takesBack}
	}
	return r.asTold()
}

// silent: a main process of which systemd hears nothing is ended by the watchdog,
// or by the limit for a start.
func (r recording) silent(m moment) []forecast {
	switch {
	case r.story.restart && m.step.Side == inject.Predecessor:
		return r.asTold()
	case m.step.Side == inject.Predecessor && (!m.named(r) || r.story.serves == predecessor):
		return []forecast{systemdRestarts}
	case m.step.Side == inject.Successor && r.story.serves != predecessor:
		return []forecast{systemdRestarts}
	}
	return r.asTold()
}
