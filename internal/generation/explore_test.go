package generation

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// The world: processes that each run the machine, the lines between them, and
// as much of systemd as matters. A move is the smallest thing that can happen
// on its own: one action, one message read, one datagram read by systemd, one
// death. Exploring every order of moves covers every interleaving and a death
// between any two of them.

type datagram struct {
	from    int
	mainPID int // -1: none
	ready   bool
	fails   bool // READY=1 after a failed upgrade: only the main process can say it
	stop    bool
	reload  bool
	access  bool // NOTIFYACCESS=all
	settle  bool // NOTIFYACCESS=main
}

type process struct {
	State
	parent    int
	alive     bool
	accepting bool
	probation bool // wants one
	successor int  // the one whose end concerns it, or -1
	todo      []Action
	signals   []Kind
	fromPred  []Kind // messages on the line from the predecessor, as the events they become
	fromSucc  []Kind
	predGone  bool // has read the end of the line from its predecessor
	succGone  bool
	naming    int // 0: no; 1: waits for systemd to have read its datagrams
	storing   bool
	adopting  bool
	draining  bool
	late      bool // the clock for the successor runs
	onTrial   bool // the clock for its own probation runs
	demoted   bool // has failed its probation
}

type world struct {
	procs     []process
	main      int
	queue     []datagram
	accessAll bool
	state     bool // the service keeps state
	mute      bool // MAINPID= cannot be sent
	started   bool
	reloading bool // systemd has sent the reload signal
	answered  bool // and has read RELOADING=1
	givenUp   bool // the reload signal died with a process: systemd waits for TimeoutStartSec=, and goes on
	stopping  bool
	restarted bool // systemd has seen the main process die: it clears the unit and starts anew
	misled    bool // systemd has looked at a main process that is dead, for a READY=1 that another sent
	kills     int
	reloads   int
	stops     int
}

// key tells worlds apart; a collision of hashes would only hide one of a million.
func (w *world) key() [sha256.Size]byte { return sha256.Sum256(fmt.Append(nil, *w)) }

func (w *world) clone() *world {
	c := *w
	c.procs = slices.Clone(w.procs)
	for i := range c.procs {
		p := &c.procs[i]
		p.todo = slices.Clone(p.todo)
		p.signals = slices.Clone(p.signals)
		p.fromPred = slices.Clone(p.fromPred)
		p.fromSucc = slices.Clone(p.fromSucc)
	}
	c.queue = slices.Clone(w.queue)
	return &c
}

type move struct {
	name string
	make func(w *world)
}

// moves lists what can happen next. own is what the service, systemd and time
// do by themselves; the rest is done to them.
func (w *world) moves() (own, done []move) {
	if w.restarted {
		return nil, nil
	}
	for i := range w.procs {
		p := &w.procs[i]
		if !p.alive {
			continue
		}
		if w.kills > 0 {
			done = append(done, move{fmt.Sprintf("kill %d", i), func(w *world) {
				w.kills--
				p := &w.procs[i]
				w.givenUp = slices.Contains(p.signals, ReloadAsked) || slices.ContainsFunc(p.todo, func(a Action) bool { return a.Verb == PassOn })
				w.die(i)
			}})
		}
		if len(p.todo) > 0 {
			own = append(own, move{fmt.Sprintf("%d does %v", i, p.todo[0].Verb), func(w *world) { w.act(i) }})
			continue
		}
		event := func(e Event, prepare func(p *process)) {
			own = append(own, move{fmt.Sprintf("%d: %v", i, e.Kind), func(w *world) {
				prepare(&w.procs[i])
				w.feed(i, e)
			}})
		}
		if len(p.signals) > 0 {
			event(Event{Kind: p.signals[0]}, func(p *process) { p.signals = p.signals[1:] })
		}
		// The shell looks for signals before anything else.
		if len(p.signals) > 0 {
			continue
		}
		if len(p.fromPred) > 0 {
			event(Event{Kind: p.fromPred[0], Probation: p.probation}, func(p *process) { p.fromPred = p.fromPred[1:] })
		} else if p.parent >= 0 && !w.procs[p.parent].alive && !p.predGone {
			event(Event{Kind: PredecessorGone}, func(p *process) { p.predGone = true })
		}
		if len(p.fromSucc) > 0 {
			probation := p.successor >= 0 && w.procs[p.successor].probation
			event(Event{Kind: p.fromSucc[0], Probation: probation}, func(p *process) { p.fromSucc = p.fromSucc[1:] })
		} else if p.successor >= 0 && !w.procs[p.successor].alive && !p.succGone {
			event(Event{Kind: SuccessorDied}, func(p *process) { p.succGone = true })
		}
		if p.Phase == Initialising && !p.adopting {
			event(Event{Kind: Initialised}, func(*process) {})
			event(Event{Kind: GaveUp}, func(*process) {})
		}
		if p.storing {
			event(Event{Kind: Stored, Offer: w.state}, func(p *process) { p.storing = false })
			event(Event{Kind: StoreFailed}, func(p *process) { p.storing = false })
		}
		if p.adopting {
			event(Event{Kind: Adopted}, func(p *process) { p.adopting = false })
			event(Event{Kind: GaveUp}, func(p *process) { p.adopting = false })
		}
		if p.naming == 2 {
			event(Event{Kind: NamingFailed}, func(p *process) { p.naming = 0 })
		}
		if p.naming == 1 && !slices.ContainsFunc(w.queue, func(d datagram) bool { return d.from == i }) {
			event(Event{Kind: Named}, func(p *process) { p.naming = 0 })
		}
		if p.late && (p.Phase == Preparing || p.Phase == Offering || p.Phase == Proving) {
			event(Event{Kind: SuccessorLate}, func(p *process) { p.late = false })
		}
		if p.onTrial {
			event(Event{Kind: ProbationPassed}, func(p *process) { p.onTrial = false })
			event(Event{Kind: ProbationFailed}, func(p *process) { p.onTrial, p.demoted = false, true })
		}
		if p.draining {
			event(Event{Kind: DrainedOut}, func(p *process) { p.draining = false })
			event(Event{Kind: DrainTimedOut}, func(p *process) { p.draining = false })
		}
	}
	if len(w.queue) > 0 {
		own = append(own, move{"systemd reads", func(w *world) { w.read() }})
	}
	// systemd learns of a main process's end from the kernel once it is that
	// process's parent; what the process has sent before is read first.
	if m := &w.procs[w.main]; !m.alive && (m.parent < 0 || !w.procs[m.parent].alive) &&
		!slices.ContainsFunc(w.queue, func(d datagram) bool { return d.from == w.main }) {
		own = append(own, move{"systemd restarts", func(w *world) { w.restarted = true }})
	}
	if w.reloads > 0 && !w.reloading && !w.stopping && w.started && w.procs[w.main].alive {
		done = append(done, move{"reload", func(w *world) {
			w.reloads--
			w.reloading, w.answered = true, false
			w.procs[w.main].signals = append(w.procs[w.main].signals, ReloadAsked)
		}})
	}
	if w.stops > 0 {
		done = append(done, move{"stop", func(w *world) {
			w.stops--
			w.stopping = true
			for i := range w.procs {
				if w.procs[i].alive {
					w.procs[i].signals = append(w.procs[i].signals, StopAsked)
				}
			}
		}})
	}
	return own, done
}

func (w *world) feed(i int, e Event) {
	p := &w.procs[i]
	p.State, p.todo = Step(p.State, e)
}

func (w *world) die(i int) {
	p := &w.procs[i]
	p.alive, p.accepting, p.todo = false, false, nil
}

func (w *world) tell(i int, k Kind, successor bool) {
	if i < 0 || !w.procs[i].alive {
		return
	}
	if successor {
		w.procs[i].fromPred = append(w.procs[i].fromPred, k)
	} else {
		w.procs[i].fromSucc = append(w.procs[i].fromSucc, k)
	}
}

// up tells the predecessor something, if this process is still the successor
// whose end concerns it.
func (w *world) up(i int, k Kind) {
	if parent := w.procs[i].parent; parent >= 0 && w.procs[parent].successor == i {
		w.tell(parent, k, false)
	}
}

// act carries out the first action that process i has to do, as package reload would.
func (w *world) act(i int) {
	p := &w.procs[i]
	a := p.todo[0]
	p.todo = p.todo[1:]
	send := func(d datagram) {
		d.from = i
		w.queue = append(w.queue, d)
	}
	switch a.Verb {
	case OpenGates:
		p.accepting = true
	case CloseGates:
		p.accepting = false
	case SayReady, Fail:
		p.late = false
		send(datagram{mainPID: -1, ready: true, fails: a.Verb == Fail})
	case SayReloading:
		send(datagram{mainPID: -1, reload: true})
	case SayStopping:
		send(datagram{mainPID: -1, stop: true})
	case Spawn:
		if p.successor >= 0 && w.procs[p.successor].alive && !w.procs[p.successor].demoted {
			panic("two successors")
		}
		p.fromSucc, p.succGone, p.late = nil, false, true
		p.successor = len(w.procs)
		// p is not valid after append.
		w.procs = append(w.procs, process{State: Successor(), parent: i, alive: true, successor: -1, probation: p.probation})
	case Kill:
		if p.successor >= 0 {
			w.die(p.successor)
		}
	case Store:
		p.storing = true
	case Offer:
		w.tell(p.successor, StateOffered, true)
	case Adopt:
		p.adopting = true
	case TellAdopted:
		w.up(i, SuccessorAdopted)
	case AnnounceTakeover:
		w.tell(p.successor, TakeoverBegun, true)
		w.up(i, SuccessorSuperseded)
	case NameSuccessor:
		if w.mute {
			p.naming = 2
			break
		}
		p.naming, p.late = 1, true
		w.tell(p.successor, TakenOver, true)
		if !a.Probation {
			send(datagram{mainPID: -1, ready: true})
		}
		send(datagram{mainPID: p.successor, access: true})
	case Succeed:
		w.tell(p.successor, Confirmed, true)
	case Release:
		p.naming, p.late = 1, false
		send(datagram{mainPID: i, ready: true})
		send(datagram{mainPID: p.successor})
		w.tell(p.successor, Released, true)
	case PassOn:
		if p.successor >= 0 && w.procs[p.successor].alive {
			w.procs[p.successor].signals = append(w.procs[p.successor].signals, ReloadAsked)
		}
	case NameSelf:
		send(datagram{mainPID: i, reload: true})
		w.up(i, SuccessorResumed)
	case TellReady:
		w.up(i, SuccessorReady)
	case TellRefused:
		w.up(i, SuccessorRefused)
	case TellProven:
		w.up(i, SuccessorProven)
	case TellUnhealthy:
		w.up(i, SuccessorUnhealthy)
	case TellStopping:
		w.up(i, SuccessorStopping)
	case BeginProbation:
		p.onTrial = true
	case Drain:
		p.draining = true
	case Resume:
		p.draining = false
	case Settle:
		send(datagram{mainPID: -1, settle: true})
	case End:
		w.die(i)
	}
}

func (w *world) read() {
	d := w.queue[0]
	w.queue = w.queue[1:]
	if d.from != w.main && !w.accessAll {
		return
	}
	// Of a process that is neither there nor its child systemd does not know any more
	// which unit it was of.
	from := &w.procs[d.from]
	if !from.alive && from.parent >= 0 && w.procs[from.parent].alive {
		return
	}
	if d.mainPID >= 0 && w.procs[d.mainPID].alive {
		w.main = d.mainPID
	}
	if d.access {
		w.accessAll = true
	}
	if d.settle {
		w.accessAll = false
	}
	if d.reload {
		w.reloading, w.answered = true, true
	}
	if d.ready {
		// At the end of a reload systemd looks whether the main process is there; of one
		// that is not its child it knows nothing before.
		m := &w.procs[w.main]
		w.misled = w.answered && !d.fails && !m.alive && m.parent >= 0 && w.procs[m.parent].alive
		w.reloading, w.answered = w.reloading && !w.answered, false
		w.started = true
	}
	if d.stop {
		w.stopping = true
	}
}

// broken says which invariant does not hold here, or "".
func (w *world) broken() string {
	var accepting []string
	for i := range w.procs {
		if w.procs[i].alive && w.procs[i].accepting {
			accepting = append(accepting, fmt.Sprint(i))
		}
	}
	if w.misled {
		return "systemd stops the unit: it reads READY=1 and the main process is dead, though its predecessor is not"
	}
	if len(accepting) > 1 {
		return "processes " + strings.Join(accepting, " and ") + " accept"
	}
	return ""
}

// stuck says what is wrong with a world in which nothing moves by itself any more.
func (w *world) stuck() string {
	if w.restarted {
		return ""
	}
	m := &w.procs[w.main]
	switch {
	case w.stopping:
		for i := range w.procs {
			if w.procs[i].alive {
				return fmt.Sprintf("the unit stops, but process %d stays in %v", i, w.procs[i].Phase)
			}
		}
	case !m.alive:
		return "the main process is dead and nobody knows"
	case w.reloading && !w.givenUp:
		return "no READY=1 follows RELOADING=1"
	case !m.accepting || m.Phase != Serving:
		return fmt.Sprintf("the main process is %v, accepting: %v", m.Phase, m.accepting)
	}
	for i := range w.procs {
		if i != w.main && w.procs[i].alive {
			return fmt.Sprintf("process %d stays in %v", i, w.procs[i].Phase)
		}
	}
	return ""
}

func explore(t *testing.T, start *world) {
	type node struct {
		w    *world
		from *node
		by   string
	}
	story := func(n *node) string {
		var lines []string
		for ; n.from != nil; n = n.from {
			lines = append(lines, n.by)
		}
		slices.Reverse(lines)
		return strings.Join(lines, "\n\t")
	}
	seen := map[[sha256.Size]byte]bool{start.key(): true}
	queue := []*node{{w: start}}
	moves, ends, restarts := 0, 0, 0
	for len(queue) > 0 {
		n := queue[0]
		queue = queue[1:]
		own, done := n.w.moves()
		if len(own) == 0 {
			ends++
			if n.w.restarted {
				restarts++
			}
			if why := n.w.stuck(); why != "" {
				t.Fatalf("%s, after\n\t%s\n%+v", why, story(n), n.w)
			}
		}
		for _, m := range append(own, done...) {
			next := &node{w: n.w.clone(), from: n, by: m.name}
			moves++
			func() {
				defer func() {
					if r := recover(); r != nil {
						t.Fatalf("%v, after\n\t%s", r, story(next))
					}
				}()
				m.make(next.w)
			}()
			if why := next.w.broken(); why != "" {
				t.Fatalf("%s, after\n\t%s", why, story(next))
			}
			if k := next.w.key(); !seen[k] {
				seen[k] = true
				queue = append(queue, next)
			}
		}
		n.w = nil // the story needs only how it came about
	}
	t.Logf("%d worlds, %d moves, %d ends, %d of them in a restart by systemd", len(seen), moves, ends, restarts)
}

func newWorld(probation, state, mute bool, reloads, kills, stops int) *world {
	return &world{
		procs: []process{{State: First(), parent: -1, alive: true, successor: -1, probation: probation}},
		state: state, mute: mute,
		reloads: reloads, kills: kills, stops: stops,
	}
}

func TestEveryOrder(t *testing.T) {
	for _, c := range []struct {
		name                  string
		probation, state      bool
		mute                  bool
		reloads, kills, stops int
	}{
		{"one upgrade", false, false, false, 1, 0, 0},
		{"one upgrade and a death", false, false, false, 1, 1, 0},
		{"one upgrade and two deaths", false, false, false, 1, 2, 0},
		{"one upgrade and a stop", false, false, false, 1, 0, 1},
		{"one upgrade on probation, a death and a stop", true, false, false, 1, 1, 1},
		{"one upgrade on probation and two deaths", true, false, false, 1, 2, 0},
		{"one upgrade with state", false, true, false, 1, 0, 0},
		{"one upgrade with state and two deaths", false, true, false, 1, 2, 0},
		{"one upgrade with state on probation, a death and a stop", true, true, false, 1, 1, 1},
		{"two upgrades with state and a death", false, true, false, 2, 1, 0},
		{"one upgrade that systemd is not told of, and a death", false, true, true, 1, 1, 0},
		{"two upgrades", false, false, false, 2, 0, 0},
		{"two upgrades and a death", false, false, false, 2, 1, 0},
		{"two upgrades on probation and a death", true, false, false, 2, 1, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			explore(t, newWorld(c.probation, c.state, c.mute, c.reloads, c.kills, c.stops))
		})
	}
}
