package inject

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"
)

// Injector is the service's end of the directory. The nil Injector does nothing.
type Injector struct {
	dir        string
	trace      *os.File
	generation atomic.Int64
	successor  atomic.Int64 // the PID of the last one
	diskFull   atomic.Bool
	lasting    atomic.Pointer[Fault] // that is to hang this process
	failing    chan struct{}         // closed when a server is to fail
	accepts    *claim
	closes     bool // the last verb does, the gates
	writes     *claim
}

// New opens dir, the service's end. An empty dir is a nil Injector.
func New(dir string) (*Injector, error) {
	if dir == "" {
		return nil, nil
	}
	trace, err := os.OpenFile(filepath.Join(dir, traceFile), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	in := &Injector{dir: dir, trace: trace, failing: make(chan struct{})}
	for name, c := range map[string]**claim{acceptsFile: &in.accepts, writesFile: &in.writes} {
		if *c, err = openClaim(filepath.Join(dir, name)); err != nil {
			return nil, err
		}
	}
	return in, nil
}

// Begin says which generation this process is. It is the step into initialising,
// which the library has no word for: it does not change into its first phase.
func (in *Injector) Begin(generation int) {
	if in == nil {
		return
	}
	in.generation.Store(int64(generation))
	in.reach(Step{Kind: Phase, Name: "initialising"})
}

// Accepted says that this process has accepted a connection. To be called by
// the goroutine that accepts, before it accepts the next.
func (in *Injector) Accepted(client string) {
	if in != nil {
		in.write(Event{Client: client})
	}
}

// Die ends this process, as the fault of a build and not of an order.
func (in *Injector) Die() {
	if in != nil {
		in.write(Event{Dies: true})
	}
	os.Exit(3)
}

// Full returns the error of a full disk if one was ordered, until the order is
// withdrawn.
func (in *Injector) Full() error {
	if in == nil || !in.diskFull.Load() {
		return nil
	}
	if _, err := os.Stat(filepath.Join(in.dir, fullFile)); err != nil {
		return nil
	}
	return syscall.ENOSPC
}

// Hang does not return if f was ordered.
func (in *Injector) Hang(f Fault) {
	if in == nil {
		return
	}
	if ordered := in.lasting.Load(); ordered != nil && *ordered == f {
		select {}
	}
}

// Failing returns a channel that is closed when a server of this process is to fail.
func (in *Injector) Failing() <-chan struct{} {
	if in == nil {
		return nil
	}
	return in.failing
}

// Writes says that this process may change the state from now on, or no more.
func (in *Injector) Writes(yes bool) {
	if in != nil {
		in.claim(in.writes, Writers, yes)
	}
}

// claim makes this process the only one that does something, or ends that.
func (in *Injector) claim(c *claim, over Clash, yes bool) {
	if !yes {
		c.drop()
		return
	}
	if other := c.take(); other != 0 {
		in.write(Event{Clash: over, With: other})
	}
}

func (in *Injector) write(e Event) {
	e.At, e.PID, e.Generation = time.Now().UnixMicro(), os.Getpid(), int(in.generation.Load())
	line, err := json.Marshal(e)
	if err == nil {
		_, err = in.trace.Write(append(line, '\n')) // one write(2): O_APPEND keeps it whole
	}
	if err != nil {
		slog.Error("trace", "error", err)
	}
}

// reach is called when this process gets to a step. It may not return.
func (in *Injector) reach(s Step) {
	if s.Kind == Verb {
		// A verb is reached before it is carried out: after the next one the gates that
		// it closes are.
		switch {
		case s.Name == "open gates":
			in.claim(in.accepts, Acceptors, true)
		case in.closes:
			in.claim(in.accepts, Acceptors, false)
		}
		in.closes = s.Name == "close gates"
	}
	in.write(Event{Step: &s, Peer: in.peer()})
	path := filepath.Join(in.dir, orderFile)
	text, err := os.ReadFile(path)
	if err != nil {
		return // nothing is ordered
	}
	var o Order
	if json.Unmarshal(text, &o) != nil || o.Generation != int(in.generation.Load()) || o.Kind != s.Kind || o.Name != s.Name {
		return
	}
	if os.Remove(path) == nil { // the process that removes it has it
		in.fire(o)
	}
}

// peer is the other process of the upgrade, or 0: the successor that lives, or
// the predecessor, whose child this process is while that one lives.
func (in *Injector) peer() int {
	if pid := int(in.successor.Load()); pid != 0 && lives(pid) {
		return pid
	}
	if in.successor.Load() == 0 && os.Getppid() != 1 {
		return os.Getppid()
	}
	return 0
}

// Handler wraps h: debug records are steps and go no further.
func (in *Injector) Handler(h slog.Handler) slog.Handler {
	if in == nil {
		return h
	}
	return handler{h, in}
}

type handler struct {
	slog.Handler
	in *Injector
}

func (h handler) Enabled(context.Context, slog.Level) bool { return true }

func (h handler) WithAttrs(a []slog.Attr) slog.Handler {
	return handler{h.Handler.WithAttrs(a), h.in}
}

func (h handler) WithGroup(name string) slog.Handler { return handler{h.Handler.WithGroup(name), h.in} }

func (h handler) Handle(ctx context.Context, r slog.Record) error {
	attr := func(key string) (value slog.Value) {
		r.Attrs(func(a slog.Attr) bool {
			if a.Key == key {
				value = a.Value.Resolve()
			}
			return a.Key != key
		})
		return value
	}
	switch r.Message {
	case "action":
		h.in.reach(Step{Kind: Verb, Name: attr("verb").String()})
	case "phase":
		h.in.reach(Step{Kind: Phase, Name: attr("to").String()})
	case "upgrade begun":
		h.in.successor.Store(attr("successor").Int64())
	}
	if !h.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}
