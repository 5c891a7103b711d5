package generation

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// The world: processes that each run the machine, the lines between them, and
// as much of systemd as matters. A move is the smallest thing that can happen
// on its own: one action, one message read, one datagram read by systemd, one
// death. Exploring every order of moves covers every interleaving and a death
// between any two of them.

// datagram is a message to systemd, sent by one sendmsg(2).
type datagram struct {
	from    int
	mainPID int  // -1: none
	names   bool // mainPID is the successor, which is told once this has been sent
	standIn bool // mainPID is the stand-in of from
	ready   bool
	fails   bool // READY=1 after a failed upgrade: only the main process can say it
	stop    bool
	reload  bool
	access  access
}

type access uint8

const (
	asBefore   access = iota
	accessAll         // NOTIFYACCESS=all
	accessMain        // NOTIFYACCESS=main
)

type process struct {
	State
	parent    int
	alive     bool
	accepting bool
	writes    bool // may change the store
	probation bool // wants one
	successor int  // the one whose end concerns it, or -1
	todo      []Action
	unsent    []datagram
	signals   []Kind
	fromPred  []Kind // messages on the line from the predecessor, as the events they become
	fromSucc  []Kind
	predGone  bool // has read the end of the line from its predecessor
	succGone  bool
	strayed   bool // the SIGHUP to the whole unit came before it could handle that
	spawning  bool
	naming    bool // waits until systemd has read its messages
	storing   bool
	adopting  bool
	draining  bool
	staying   bool // the clock for the successor to last runs
	late      bool // the clock for the successor runs
	onTrial   bool // the clock for its own probation runs
	demoted   bool // has failed its probation
	early     bool // the reload signal that it remembers came before its takeover
	settling  bool // its stand-in starts
	settled   bool
	lingers   bool // its machine has ended, and its program has not
	doomed    bool // was sent SIGKILL
	hung      bool // does nothing any more, without being dead
}

// able reports whether p can do anything by itself.
func (p *process) able() bool { return p.alive && !p.hung }

// faults are how many of each may still happen.
type faults struct {
	kills   int // a process dies
	stops   int // systemctl stop: SIGTERM to all
	fails   int // a server of the application fails
	hangs   int // a process hangs
	jobs    int // systemd loses patience with a reload
	hangups int // somebody sends SIGHUP to the whole unit
}

type world struct {
	procs      []process
	main       int
	standsIn   bool // systemd's main process is the stand-in of main
	forStandIn []Kind
	queue      []datagram
	accessAll  bool
	state      bool // the service keeps state
	slow       bool // systemd's queue may be full, so that a datagram leaves late or not at all
	started    bool
	reloading  bool // systemd has sent the reload signal
	answered   bool // and has read RELOADING=1
	givenUp    bool // the reload signal died with a process: systemd waits for TimeoutStartSec=, and goes on
	stopping   bool
	restarted  bool // systemd has seen the main process die: it clears the unit and starts anew
	misled     bool // systemd has looked at a main process that is dead, for a READY=1 that another sent
	reloads    int
	faults
}

// key tells worlds apart.
func (w *world) key() string {
	b := make([]byte, 0, 256)
	num := func(all ...int) {
		for _, n := range all {
			b = append(b, byte(n+1))
		}
	}
	flags := func(all ...bool) {
		var bits uint64
		for i, f := range all {
			if f {
				bits |= 1 << i
			}
		}
		b = binary.LittleEndian.AppendUint64(b, bits)
	}
	kinds := func(all []Kind) {
		num(len(all))
		for _, k := range all {
			b = append(b, byte(k))
		}
	}
	datagrams := func(all []datagram) {
		num(len(all))
		for _, d := range all {
			num(d.from, d.mainPID, int(d.access))
			flags(d.names, d.standIn, d.ready, d.fails, d.stop, d.reload)
		}
	}
	num(w.main, w.reloads, w.kills, w.stops, w.fails, w.hangs, w.jobs, w.hangups, len(w.procs))
	flags(w.standsIn, w.accessAll, w.state, w.slow, w.started, w.reloading, w.answered, w.givenUp, w.stopping, w.restarted, w.misled)
	kinds(w.forStandIn)
	datagrams(w.queue)
	for i := range w.procs {
		p := &w.procs[i]
		s := &p.State
		num(int(s.Phase), p.parent, p.successor, len(p.todo))
		flags(
			s.Predecessor, s.Superseded, s.SuccessorStopping, s.Probation, s.Proven, s.Trying, s.Failed, s.SuccessorDead,
			s.Confirmed, s.Unjudged, s.Passed, s.Drained, s.Lasted, s.ReloadPending,
			p.alive, p.accepting, p.writes, p.probation, p.predGone, p.succGone, p.spawning, p.naming, p.storing, p.adopting,
			p.draining, p.staying, p.late, p.onTrial, p.demoted, p.early, p.settling, p.settled, p.lingers, p.doomed, p.hung, p.strayed)
		for _, a := range p.todo {
			b = append(b, byte(a.Verb))
			flags(a.Probation, a.Stopping, a.Again, a.LastWords)
		}
		datagrams(p.unsent)
		kinds(p.signals)
		kinds(p.fromPred)
		kinds(p.fromSucc)
	}
	return string(b)
}

func (w *world) clone() *world {
	c := *w
	c.procs = slices.Clone(w.procs)
	for i := range c.procs {
		p := &c.procs[i]
		p.todo = slices.Clone(p.todo)
		p.unsent = slices.Clone(p.unsent)
		p.signals = slices.Clone(p.signals)
		p.fromPred = slices.Clone(p.fromPred)
		p.fromSucc = slices.Clone(p.fromSucc)
	}
	c.forStandIn = slices.Clone(w.forStandIn)
	c.queue = slices.Clone(w.queue)
	return &c
}

type move struct {
	name string
	make func(w *world)
}

// moves lists the possible next events. own are those that the service, systemd and
// time cause by themselves; the rest come from outside.
func (w *world) moves() (own, done []move) {
	if w.restarted {
		return nil, nil
	}
	for i := range w.procs {
		more, worse := w.movesOf(i)
		own, done = append(own, more...), append(done, worse...)
	}
	own = append(own, w.movesOfSystemd()...)
	return own, append(done, w.movesFromOutside()...)
}

func (w *world) movesOf(i int) (own, done []move) {
	p := &w.procs[i]
	if !p.alive {
		return nil, nil
	}
	if w.kills > 0 {
		done = append(done, move{fmt.Sprintf("kill %d", i), func(w *world) {
			w.kills--
			w.die(i)
		}})
	}
	if w.hangs > 0 && !p.hung {
		done = append(done, move{fmt.Sprintf("%d hangs", i), func(w *world) {
			w.hangs--
			w.procs[i].hung = true
		}})
	}
	if p.doomed {
		// Until then it is as it was: the next process has to wait.
		return []move{{fmt.Sprintf("%d dies of SIGKILL", i), func(w *world) { w.die(i) }}}, done
	}
	if w.overdue(i) {
		own = append(own, move{fmt.Sprintf("the main process ends %d", i), func(w *world) { w.die(i) }})
	}
	if p.hung {
		return own, done
	}
	if p.lingers {
		own = append(own, move{fmt.Sprintf("%d exits", i), func(w *world) { w.die(i) }})
	}
	if len(p.unsent) > 0 {
		own = append(own, move{fmt.Sprintf("%d sends", i), func(w *world) { w.send(i) }})
	}
	if len(p.todo) > 0 {
		own = append(own, move{fmt.Sprintf("%d does %v", i, p.todo[0].Verb), func(w *world) { w.act(i) }})
		return own, done
	}
	event := func(e Event, prepare func(p *process)) {
		own = append(own, move{fmt.Sprintf("%d: %v", i, e.Kind), func(w *world) {
			prepare(&w.procs[i])
			w.feed(i, e)
		}})
	}
	if len(p.signals) > 0 {
		// systemd has read MAINPID= before Named comes.
		foreign := p.signals[0] == ReloadAsked && (p.Phase == Draining || p.Phase == Proving)
		event(Event{Kind: p.signals[0], Foreign: foreign}, func(p *process) {
			if p.signals[0] == ReloadAsked && p.Phase == Ready {
				p.early = !slices.Contains(p.fromPred, TakeoverBegun)
			}
			p.signals = p.signals[1:]
		})
		// The shell looks for signals before anything else.
		return own, done
	}
	if len(p.fromPred) > 0 {
		e := Event{Kind: p.fromPred[0], Probation: p.probation, Foreign: p.early}
		event(e, func(p *process) { p.fromPred = p.fromPred[1:] })
	} else if p.parent >= 0 && !w.procs[p.parent].alive && !p.predGone {
		event(Event{Kind: PredecessorGone}, func(p *process) { p.predGone = true })
	}
	if len(p.fromSucc) > 0 {
		probation := p.successor >= 0 && w.procs[p.successor].probation
		event(Event{Kind: p.fromSucc[0], Probation: probation}, func(p *process) { p.fromSucc = p.fromSucc[1:] })
	} else if p.successor >= 0 && !w.procs[p.successor].alive && !p.succGone {
		kind := SuccessorDied
		if w.procs[p.successor].strayed {
			kind = SuccessorStrayed
		}
		event(Event{Kind: kind}, func(p *process) { p.succGone = true })
	}
	if p.lingers {
		return own, done
	}
	if w.fails > 0 && p.Phase != Initialising {
		done = append(done, move{fmt.Sprintf("a server of %d fails", i), func(w *world) {
			w.fails--
			w.feed(i, Event{Kind: GaveUp})
		}})
	}
	if p.Phase == Initialising && !p.adopting {
		// Reload signals that have come by now are lost.
		event(Event{Kind: Initialised}, func(p *process) {})
		event(Event{Kind: GaveUp}, func(*process) {})
	}
	if p.spawning {
		own = append(own, move{fmt.Sprintf("%d has a successor", i), func(w *world) { w.spawn(i) }})
		event(Event{Kind: SpawnFailed}, func(p *process) { p.spawning = false })
	}
	if p.storing {
		event(Event{Kind: Stored, Offer: w.state}, func(p *process) { p.storing, p.writes = false, false })
		event(Event{Kind: StoreFailed}, func(p *process) { p.storing = false })
		event(Event{Kind: GaveUp}, func(p *process) { p.storing = false }) // Park hangs
	}
	if p.adopting {
		event(Event{Kind: Adopted}, func(p *process) { p.adopting = false })
		event(Event{Kind: GaveUp}, func(p *process) { p.adopting = false })
	}
	if slices.ContainsFunc(p.unsent, func(d datagram) bool { return d.names }) {
		event(Event{Kind: NamingFailed}, func(p *process) {
			p.naming = false
			p.unsent = slices.DeleteFunc(p.unsent, func(d datagram) bool { return d.names })
		})
	}
	if p.naming && !w.unread(i) {
		event(Event{Kind: Named}, func(p *process) { p.naming = false })
	}
	if p.late && (p.Phase == Preparing || p.Phase == Offering || p.Phase == Proving || p.Phase == TakingOver && p.Probation) {
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
	if p.staying {
		event(Event{Kind: SuccessorLasted}, func(p *process) { p.staying = false })
	}
	if p.settling {
		own = append(own, move{fmt.Sprintf("%d has a stand-in", i), func(w *world) { w.settle(i) }})
	}
	return own, done
}

// overdue reports whether i is an old generation, or a failed one, that lives
// beyond its deadline, and a main process is there to see that. One whose main
// process has died ends by itself.
func (w *world) overdue(i int) bool {
	p := &w.procs[i]
	if !p.hung && !p.lingers {
		return false
	}
	for k := range w.procs {
		q := &w.procs[k]
		if k != i && q.able() && !q.lingers && (q.Phase.Main() || q.Phase == Entering) && (k > i || p.demoted) {
			return true
		}
	}
	s := p.successor
	return p.able() && s >= 0 && !w.procs[s].alive && !p.Superseded
}

// unread reports whether systemd has not read all that i has sent.
func (w *world) unread(i int) bool {
	return len(w.procs[i].unsent) > 0 || slices.ContainsFunc(w.queue, func(d datagram) bool { return d.from == i })
}

func (w *world) movesOfSystemd() (own []move) {
	if len(w.queue) > 0 {
		own = append(own, move{"systemd reads", func(w *world) { w.read() }})
	}
	if len(w.forStandIn) > 0 {
		own = append(own, move{"the stand-in passes on", func(w *world) {
			m := &w.procs[w.main]
			m.signals = append(m.signals, w.forStandIn[0])
			w.forStandIn = w.forStandIn[1:]
		}})
	}
	m := &w.procs[w.main]
	orphan := m.parent < 0 || !w.procs[m.parent].alive
	switch {
	case !m.alive && orphan && !w.unread(w.main):
		// systemd learns of a main process's end from the kernel once it is that
		// process's parent; it reads the process's messages first.
		own = append(own, move{"systemd restarts", func(w *world) { w.restarted = true }})
	case m.alive && (m.hung || m.lingers), !m.alive && !orphan && w.procs[m.parent].hung:
		// No pings come from a loop that hangs or has ended.
		own = append(own, move{"the watchdog restarts", func(w *world) { w.restarted = true }})
	}
	return own
}

func (w *world) movesFromOutside() (done []move) {
	m := &w.procs[w.main]
	if w.reloads > 0 && !w.reloading && !w.stopping && w.started && m.alive {
		done = append(done, move{"reload", func(w *world) {
			w.reloads--
			w.reloading, w.answered = true, false
			if w.standsIn {
				w.forStandIn = append(w.forStandIn, ReloadAsked)
				return
			}
			w.procs[w.main].signals = append(w.procs[w.main].signals, ReloadAsked)
		}})
	}
	if w.jobs > 0 && w.reloading {
		done = append(done, move{"the reload job fails", func(w *world) {
			w.jobs--
			w.reloading, w.answered = false, false
		}})
	}
	signal := func(kind Kind) func(w *world) {
		return func(w *world) {
			for i := range w.procs {
				if w.procs[i].alive {
					w.procs[i].signals = append(w.procs[i].signals, kind)
				}
			}
			if w.standsIn {
				w.forStandIn = append(w.forStandIn, kind)
			}
		}
	}
	if w.stops > 0 {
		done = append(done, move{"stop", func(w *world) {
			w.stops--
			w.stopping = true
			signal(StopAsked)(w)
		}})
	}
	if w.hangups > 0 && w.started {
		hangup := func(w *world) {
			w.hangups--
			signal(ReloadAsked)(w)
		}
		done = append(done, move{"SIGHUP to all", hangup})
		if young := len(w.procs) - 1; w.procs[young].alive && w.procs[young].Phase == Initialising {
			done = append(done, move{"SIGHUP to all, which a successor cannot handle yet", func(w *world) {
				hangup(w)
				w.procs[young].strayed = true
				w.die(young)
			}})
		}
	}
	return done
}

func (w *world) feed(i int, e Event) {
	p := &w.procs[i]
	p.State, p.todo = Step(p.State, e)
}

func (w *world) die(i int) {
	p := &w.procs[i]
	if slices.Contains(p.signals, ReloadAsked) || p.ReloadPending || slices.ContainsFunc(p.todo, func(a Action) bool { return a.Verb == PassOn }) {
		w.givenUp = true
	}
	if i == w.main && w.standsIn {
		w.givenUp, w.forStandIn = w.givenUp || slices.Contains(w.forStandIn, ReloadAsked), nil
	}
	*p = process{strayed: p.strayed, State: State{Phase: p.Phase}, parent: p.parent, successor: p.successor, demoted: p.demoted}
}

func (w *world) spawn(i int) {
	w.procs[i].spawning, w.procs[i].late = false, true
	w.procs[i].successor = len(w.procs)
	// The pointer is not valid after append.
	w.procs = append(w.procs, process{State: Successor(), parent: i, alive: true, successor: -1, probation: w.procs[i].probation})
}

// settle names the stand-in and then this process again.
func (w *world) settle(i int) {
	p := &w.procs[i]
	p.settling = false
	if p.Phase.Main() && p.Phase != TakingOver {
		w.say(i, datagram{mainPID: i, standIn: true, access: accessAll})
		w.say(i, datagram{mainPID: i, access: accessMain})
	} else {
		p.settled = false
	}
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

// say has process i send d, at once or as soon as there is room.
func (w *world) say(i int, d datagram) {
	d.from = i
	w.procs[i].unsent = append(w.procs[i].unsent, d)
	if !w.slow {
		w.send(i)
	}
}

func (w *world) send(i int) {
	p := &w.procs[i]
	d := p.unsent[0]
	p.unsent = p.unsent[1:]
	w.queue = append(w.queue, d)
	if d.names {
		w.tell(d.mainPID, TakenOver, true)
	}
}

// act carries out the first action that process i has to do, as package reload would.
func (w *world) act(i int) {
	p := &w.procs[i]
	a := p.todo[0]
	p.todo = p.todo[1:]
	switch a.Verb {
	case OpenGates:
		p.accepting = true
	case CloseGates:
		p.accepting = false
	case SayReady, Fail:
		p.late = false
		w.say(i, datagram{mainPID: -1, ready: true, fails: a.Verb == Fail})
	case SayReloading:
		w.say(i, datagram{mainPID: -1, reload: true})
	case SayStopping:
		w.say(i, datagram{mainPID: -1, stop: true})
	case Spawn:
		if a.Again != (p.successor >= 0 && w.procs[p.successor].strayed && p.Phase == Preparing && p.succGone) {
			panic("started again")
		}
		if p.successor >= 0 && w.procs[p.successor].alive && !w.procs[p.successor].demoted || p.spawning {
			panic("two successors")
		}
		p.fromSucc, p.succGone, p.late, p.spawning, p.successor = nil, false, false, true, -1
	case Kill:
		if p.successor >= 0 && w.procs[p.successor].alive {
			w.procs[p.successor].doomed = true
		}
		p.spawning = false // it never gets as far as to do anything
	case Store:
		p.storing, p.adopting = true, false // which waits for an Adopt that is under way
	case Offer:
		p.late = true
		w.tell(p.successor, StateOffered, true)
	case Adopt:
		p.adopting = true
		p.writes = w.state
	case TellAdopted:
		w.up(i, SuccessorAdopted)
	case AnnounceTakeover:
		w.tell(p.successor, TakeoverBegun, true)
	case NameSuccessor:
		p.naming, p.late = true, true
		if !a.Probation {
			w.say(i, datagram{mainPID: -1, ready: true})
		}
		w.say(i, datagram{mainPID: p.successor, names: true, access: accessAll})
	case Succeed:
		w.tell(p.successor, Confirmed, true)
	case Release:
		p.naming, p.late = true, false
		w.say(i, datagram{mainPID: i, ready: true})
		w.say(i, datagram{mainPID: p.successor})
		w.tell(p.successor, Released, true)
	case PassOn:
		if p.successor >= 0 && w.procs[p.successor].alive {
			w.procs[p.successor].signals = append(w.procs[p.successor].signals, ReloadAsked)
		}
	case NameSelf:
		// A message that is moot by now is not sent any more.
		p.naming = false
		p.unsent = slices.DeleteFunc(p.unsent, func(d datagram) bool { return d.names })
		w.say(i, datagram{mainPID: i, reload: true})
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
	case TellSuperseded:
		w.up(i, SuccessorSuperseded)
	case TellResumed:
		w.up(i, SuccessorResumed)
	case BeginProbation:
		p.onTrial = true
	case Drain:
		p.draining = true
		p.staying = p.Phase == Draining && !p.Lasted
	case Resume:
		p.draining, p.staying = false, false
	case Settle:
		if p.parent < 0 || p.settled {
			w.say(i, datagram{mainPID: -1, access: accessMain})
			break
		}
		p.settling, p.settled = true, true
	case End:
		p.accepting, p.draining, p.lingers = false, false, true
	}
}

func (w *world) read() {
	d := w.queue[0]
	w.queue = w.queue[1:]
	if (d.from != w.main || w.standsIn) && !w.accessAll {
		return
	}
	// Of a process that is neither there nor its child systemd does not know any more
	// which unit it was of.
	from := &w.procs[d.from]
	if !from.alive && from.parent >= 0 && w.procs[from.parent].alive {
		return
	}
	if d.mainPID >= 0 && w.procs[d.mainPID].alive {
		w.main, w.standsIn = d.mainPID, d.standIn
	}
	switch d.access {
	case accessAll:
		w.accessAll = true
	case accessMain:
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
	var accept, write []string
	for i := range w.procs {
		p := &w.procs[i]
		if p.alive && p.accepting {
			accept = append(accept, fmt.Sprint(i))
		}
		if p.alive && p.writes {
			write = append(write, fmt.Sprint(i))
		}
	}
	switch {
	case w.misled:
		return "systemd stops the unit: it reads READY=1 and the main process is dead, though its predecessor is not"
	case len(accept) > 1:
		return "processes " + strings.Join(accept, " and ") + " accept"
	case len(write) > 1:
		return "processes " + strings.Join(write, " and ") + " write to the store"
	}
	return ""
}

// stuck describes the fault of a world in which nothing moves by itself any more.
func (w *world) stuck() string {
	if w.restarted {
		return ""
	}
	m := &w.procs[w.main]
	switch {
	case w.stopping:
		for i := range w.procs {
			// One that hangs is systemd's to end, after TimeoutStopSec=.
			if w.procs[i].able() {
				return fmt.Sprintf("the unit stops, but process %d stays in %v", i, w.procs[i].Phase)
			}
		}
	case !m.alive:
		return "the main process is dead and no process knows"
	case w.reloading && !w.givenUp:
		return "no READY=1 follows RELOADING=1"
	case m.Unjudged:
		return "the upgrade to the main process has no verdict"
	case !m.accepting || m.Phase != Serving:
		return fmt.Sprintf("the main process is %v, accepting: %v", m.Phase, m.accepting)
	}
	for i := range w.procs {
		if i != w.main && w.procs[i].alive && !w.stopping {
			return fmt.Sprintf("process %d stays in %v", i, w.procs[i].Phase)
		}
	}
	return ""
}
