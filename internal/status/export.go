package status

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/instar-project/instar/internal/units"
	"github.com/instar-project/instar/reload"

	"github.com/godbus/dbus/v5"
)

// Config is that of package status, which says what its fields mean.
type Config struct {
	Unit    string
	Name    string
	Address string
	Logger  *slog.Logger
}

// Quiet is how long at least there is no PropertiesChanged after one.
const Quiet = 200 * time.Millisecond

// Bounds of the pause before another try to get on the bus.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 30 * time.Second
)

// Export shows svc on the bus, until ctx ends or svc is over.
func Export(ctx context.Context, svc *reload.Service, config Config) {
	log := config.Logger
	if log == nil {
		log = slog.Default()
	}
	config, user, err := config.complete()
	switch {
	case errors.Is(err, ErrNoUnit):
		log.Info("the service is not on the bus", "reason", err)
		return
	case err != nil:
		log.Error("the service is not on the bus", "error", err)
		return
	}
	e := &exporter{
		svc:    svc,
		config: config,
		log:    log.With("bus", config.Address, "name", config.Name),
		object: newObject(svc, config.Unit),
		scope:  scopeOf(user),
		looked: -1,
	}
	e.news.learned = make(chan struct{}, 1)
	go e.object.tenure.follow(svc)
	go e.run(ctx)
}

// complete fills in the facts that this process knows of itself; user: a user's
// manager runs it.
func (c Config) complete() (_ Config, user bool, err error) {
	unit, user, err := ownUnit()
	if c.Unit == "" {
		c.Unit = unit
	}
	if c.Address == "" {
		if err != nil {
			return c, user, err
		}
		c.Address = BusAddress(user)
	}
	if c.Name != "" {
		return c, user, checkName(c.Name)
	}
	if c.Unit == "" {
		return c, user, err
	}
	c.Name, err = Name(c.Unit)
	return c, user, err
}

// exporter keeps a service on the bus.
type exporter struct {
	svc    *reload.Service
	config Config
	log    *slog.Logger
	object *object
	news   announcer
	scope  units.Scope // of the manager that runs the unit
	looked int         // how many upgrades there were at the last look at the unit; -1: none yet

	looking sync.Mutex // one look at a time
}

// errOver ends the last session.
var errOver = errors.New("over")

// run has one session on the bus after the other. An error that keeps the service
// off the bus is logged once, until it was on it again.
func (e *exporter) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	pause, logged := firstPause, make(map[string]bool)
	for {
		owned, err := e.session(ctx)
		if errors.Is(err, errOver) || ctx.Err() != nil {
			return
		}
		if owned {
			pause = firstPause
			clear(logged)
		}
		level := slog.LevelDebug
		if text := err.Error(); !logged[text] {
			logged[text] = true
			level = slog.LevelWarn
		}
		e.log.Log(ctx, level, "the service is not on the bus; it goes on, and tries again", "error", err)
		select {
		case <-time.After(pause):
		case <-e.svc.Done():
			return
		case <-ctx.Done():
			return
		}
		pause = min(2*pause, lastPause)
	}
}

// session connects, and shows the service until the connection ends. owned: the
// bus has accepted the name.
func (e *exporter) session(ctx context.Context) (owned bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	changes, stop := e.svc.Watch()
	defer stop()
	conn, err := connect(ctx, e.config.Address)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	signals := make(chan *dbus.Signal, 16)
	conn.Signal(signals)
	if err := e.object.exportOn(ctx, conn); err != nil {
		return false, err
	}
	n := &naming{conn: conn, name: e.config.Name, svc: e.svc}
	defer n.release()
	if err := n.queue(ctx); err != nil {
		return false, err
	}
	e.log.Debug("on the bus", "unique", conn.Names()[0])

	e.news.on(conn)
	if e.object.facts.Load() == nil {
		e.looked = -1 // a look that the end of the last session has cut short
	}
	tick := time.NewTicker(time.Second) // connections come and go without a word
	defer tick.Stop()
	for {
		now := e.svc.Snapshot()
		e.lookIfDue(ctx, now)
		if err := n.follow(ctx, now); err != nil {
			return true, err
		}
		if err := e.news.tell(now, e.object.unit()); err != nil {
			return true, err
		}
		select {
		case s, ok := <-signals:
			if !ok {
				return true, errLost
			}
			n.heard(s)
		case <-changes:
		case <-e.news.learned:
		case <-e.news.due():
		case <-tick.C:
		case <-e.svc.Done():
			return true, errOver
		case <-conn.Context().Done():
			return true, errLost
		}
	}
}

var errLost = errors.New("status: the bus has closed the connection")
