package reload

import (
	"context"
	"errors"
	"net"
	"os"
	"os/signal"

	"github.com/instar-project/instar/activation"
	"github.com/instar-project/instar/internal/generation"
	"github.com/instar-project/instar/internal/oneline"
	"github.com/instar-project/instar/internal/standin"
	"github.com/instar-project/instar/notify"
	"github.com/instar-project/instar/reload/internal/intake"
)

// Open finds out whether this process is the first generation since the unit was started
// or the successor of another, and takes over the sockets meant for it. Call it once,
// early in main, before you start anything that reads LISTEN_FDS or NOTIFY_SOCKET: Open
// takes these variables out of the environment. From here on the reload signal, SIGHUP,
// is handled; in a process that was started by hand it stops the service, see the
// package comment.
//
// The init functions of all packages, and main up to Open, run in every process of the
// service: in a first start, in a successor, while its predecessor serves, and in a
// preflight, which ends with Open. They should change nothing that the serving
// generation depends on.
//
// In a successor Open uses [debug.SetCrashOutput], so that its predecessor can say why
// it has crashed: an application that wants that for itself calls it later.
//
// A preflight is a run of the whole program, which ends at Open: package initialisers,
// and the code of main before Open, run in it as well.
//
// Outside systemd it succeeds as well; the getters then name the missing socket, and
// the command that starts the program by hand. Errors: a malformed environment
// ([activation.ErrMalformed]), a predecessor that speaks another protocol, a Config
// that makes no sense; [ErrPreflight] where the running service only wants to know
// whether this build could follow it: main returns that error like any other, and it
// is never printed.
func Open(config Config) (*Service, error) {
	config, err := config.withDefaults()
	if asked, err := config.answer(err); asked {
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	s := &Service{
		config:     config,
		log:        config.Logger,
		generation: 1,
		pid:        os.Getpid(),
		met:        make(chan struct{}, 1),
		reloads:    make(chan os.Signal, 1),
		preflights: make(chan struct{}, 1),
	}
	s.startStandIn = standin.Start
	s.shell.init()
	s.launcher.config, s.launcher.started, s.launcher.logs = &s.config, atStart, findLogs()
	if config.Command != nil {
		s.launcher.ask = func(ctx context.Context) (Command, error) { return s.config.Command(ctx, s) }
	}
	unit := &s.launcher.unit
	unit.supervised, unit.invocation = supervised(os.LookupEnv, os.Getpid()), os.Getenv("INVOCATION_ID")
	s.byHand = !unit.supervised && os.Getenv("NOTIFY_SOCKET") == ""
	if !s.byHand {
		signal.Notify(s.reloads, reloadSignal)
	}

	if s.notifier, err = notify.Take(); err == nil {
		s.notifier.Report(s.reportNotifier)
		s.launcher.address, unit.listens = s.notifier.Address(), s.notifier != nil
		unit.watchdog, err = notify.WatchdogInterval()
	}
	if err == nil {
		err = s.arrive()
	}
	if err == nil && s.predecessor == nil {
		s.state = generation.First()
		s.sockets, err = activation.Take()
	} else {
		s.state = generation.Successor()
	}
	if err == nil {
		s.log = s.log.With("generation", s.generation, "build", config.Build)
		err = s.openKeeping()
	}
	if err != nil {
		signal.Stop(s.reloads)
		return nil, errors.Join(err, s.notifier.Close())
	}
	s.intake = intake.New(s.log)
	return s, nil
}

// Listener returns the one listening socket of that name: TCP, Unix stream,
// Unix seqpacket or vsock. It accepts while this generation does; until then,
// and after a handover, Accept waits, no longer than the listener's deadline if it has
// one. Errors of a single connection, which accept(2) hands over, and a want of
// descriptors end no Accept: it tries again.
//
// Accepted connections are tracked until they are closed, and a generation that drains
// waits for them. They have every method of a *net.TCPConn or *net.UnixConn, but are
// not of that type: as with a tls.Conn, NetConn returns the one underneath. That one
// is not to be closed in place of the connection, which would stay in flight. The
// listener is not a *net.TCPListener or *net.UnixListener either: its method
// NetListener() net.Listener returns that, for options and the like; what is accepted on
// it directly may be another generation's, and is not tracked.
//
// Errors are those of [activation.Set.Listener], which name the directive of
// the .socket unit to change.
func (s *Service) Listener(name string, checks ...activation.Check) (net.Listener, error) {
	ln, err := s.sockets.Listener(name, checks...)
	if err != nil {
		return nil, s.refuse(err)
	}
	return given(s, net.Listener(s.intake.Listener(name, ln))), nil
}

// Listeners is Listener for every socket of that name, in the order of the unit.
func (s *Service) Listeners(name string, checks ...activation.Check) ([]net.Listener, error) {
	all, err := s.sockets.Listeners(name, checks...)
	if err != nil {
		return nil, s.refuse(err)
	}
	for i, ln := range all {
		all[i] = given(s, net.Listener(s.intake.Listener(name, ln)))
	}
	return all, nil
}

// PacketConn returns the one datagram socket of that name: UDP or Unix. It
// receives while this generation accepts; until then, and after a handover,
// reading waits, no longer than the deadline for reading, while the datagrams wait in
// the socket for the generation that reads them.
//
// It has every method of a *net.UDPConn or *net.UnixConn, but is not of that type. What
// its SyscallConn reads waits in the same way, and so does ReadBatch of golang.org/x/net.
// NetConn returns the one underneath; what is read from that does not wait, and may be
// another generation's. On a UDP socket that is bound to all addresses, WriteTo and
// WriteToUDP answer from the address that was asked, if they are given the sender's
// address as ReadFrom or ReadFromUDP has returned it.
//
// A datagram, or a batch of them, is in flight from its receipt until the same reader
// comes back for the next one, or closes the socket. Work that goes on beyond that, as in
// a goroutine for each datagram, is to be announced by Begin. A flow of several datagrams
// does not stay with its generation: a QUIC connection ends at an upgrade, whatever
// Begin announces, since its packets reach the generation that receives.
//
// Errors are those of [activation.Set.PacketConn].
func (s *Service) PacketConn(name string, checks ...activation.Check) (net.PacketConn, error) {
	pc, err := s.sockets.PacketConn(name, checks...)
	if err != nil {
		return nil, s.refuse(err)
	}
	return given(s, s.intake.PacketConn(name, pc)), nil
}

// PacketConns is PacketConn for every socket of that name, in the order of the unit.
func (s *Service) PacketConns(name string, checks ...activation.Check) ([]net.PacketConn, error) {
	all, err := s.sockets.PacketConns(name, checks...)
	if err != nil {
		return nil, s.refuse(err)
	}
	for i, pc := range all {
		all[i] = given(s, s.intake.PacketConn(name, pc))
	}
	return all, nil
}

// File returns the one descriptor of that name that is no socket to accept or
// receive on: a FIFO, a special file, a netlink socket, a message queue. Both
// generations have it open at the same time, and nothing stops the predecessor
// from reading: that is for the application to settle.
func (s *Service) File(name string, checks ...activation.Check) (*os.File, error) {
	f, err := s.sockets.File(name, checks...)
	if err != nil {
		return nil, s.refuse(err)
	}
	return given(s, f), nil
}

// Files is File for every descriptor of that name, in the order of the unit.
func (s *Service) Files(name string, checks ...activation.Check) ([]*os.File, error) {
	all, err := s.sockets.Files(name, checks...)
	if err != nil {
		return nil, s.refuse(err)
	}
	for _, f := range all {
		given(s, f)
	}
	return all, nil
}

// Generation is this process's number: 1 for the one that systemd has started,
// one more for each successor.
func (s *Service) Generation() int { return s.generation }

// Command returns the command that started this process, from systemd or its
// predecessor, whatever the program has done to os.Args, its environment and its
// directory since. Dir is "" if that is not known. The slices are the caller's.
func (s *Service) Command() Command { return s.launcher.own() }

// Config is what Open was given, defaults filled in.
func (s *Service) Config() Config { return s.config }

// Build is the name of this build; see [Config].
func (s *Service) Build() string { return s.config.Build }

// Phase says in one word or two where this generation stands: "initialising",
// "serving", "draining" and so on.
func (s *Service) Phase() string { return s.currentPhase().String() }

// Connections is how many connections of this generation are open.
func (s *Service) Connections() int { return s.intake.Connections() }

// Begin announces a piece of work that is no open connection, to be finished
// before this generation ends. The function it returns ends it; only its first
// call counts.
func (s *Service) Begin() (done func()) {
	return s.intake.Begin()
}

// Refuse says that this process will not serve because of err, and returns err
// for main to return; [Main] calls it. Close then logs the reason. A successor's
// predecessor learns it and keeps serving: the journal has it with the verdict. On a
// first start STATUS= shows that the process refused. Only the errno of err, if it wraps
// one, is public: see [Config.PublicReasons]. Without Refuse, only the process's exit
// status tells.
func (s *Service) Refuse(err error) error {
	if err != nil {
		s.refuseFor(err)
	}
	return err
}

// refuse is Refuse for an error of this library, which names a directive of the unit:
// nothing in it is secret.
func (s *Service) refuse(err error) error {
	s.refuseFor(openly(err))
	return err
}

// refuseAsReturned is Refuse for the error that the application ends with. If a getter's
// error is in it, that part stays public.
func (s *Service) refuseAsReturned(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	reason := err
	if f, ok := s.refusal.(*failure); ok && errors.Is(err, f.causes[0]) {
		reason = &failure{public: f.public, words: oneline.Blank(err.Error()), causes: []error{err}}
	}
	s.refusal = reason
}

func (s *Service) refuseFor(reason error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusal = reason
}

// Close gives the sockets up. Before Serve it is a refusal to take over, for
// the reason of Refuse or of the last getter that failed; during and after Serve
// it does nothing.
func (s *Service) Close() error {
	if !s.served.CompareAndSwap(false, true) {
		return nil
	}
	s.mu.Lock()
	reason := s.refusal
	s.mu.Unlock()
	if reason == nil {
		// It may be that a panic unwinds the stack: its words come after this.
		reason = &failure{public: "it ended without a call of Serve", causes: []error{errUnexplained}}
	} else {
		// Logged first: a predecessor that hears of it kills this process.
		whole, _, _ := spelled(reason)
		s.log.Error("this process will not serve", "error", whole)
	}
	s.step(generation.Event{Kind: generation.GaveUp, Err: reason})
	if s.predecessor == nil {
		s.sayRefused(reason)
	}
	return s.release()
}

// sayRefused is for systemd, where there is no predecessor to tell.
func (s *Service) sayRefused(reason error) {
	whole, public, _ := spelled(reason)
	if s.config.PublicReasons {
		public = whole
	}
	status := s.title() + " will not serve"
	if public != "" {
		status += ": " + public
	}
	s.say(notify.Status(notify.OneLine(status)), notify.Errno(errno(reason)))
}
