// Faulty is a web service like examples/web that has every fault a release can
// have, one at a time, chosen when it is built:
//
//	go build -ldflags "-X main.version=v2 -X main.fault=crash" ./integration/faulty
//
// Where $INSTAR_FAULTS names a directory, faults are brought in from outside as
// well, at any step of an upgrade: see package inject. And where the unit has a
// file descriptor store it keeps a counter there. Beside it lie the units that
// package site installs. Its limits are short, so that tests of them are.
package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/instar-project/instar/integration/faulty/inject"
	"github.com/instar-project/instar/integration/faulty/units"
	"github.com/instar-project/instar/reload"
	"github.com/instar-project/instar/reload/httpdrain"
)

var (
	version = "unstamped"
	fault   = "" // none

	probation    = "0s"
	drainTimeout = "10s"
	endTimeout   = "0s" // as the library has it
	standby      = "0s" // as the library has it
	linger       = "2s"
)

func main() {
	if err := run(context.Background()); err != nil {
		slog.Error("faulty", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	switch fault {
	case "crash":
		return errors.New("this build crashes at start")
	case "panic":
		panic("this build panics at start")
	case "exit0":
		return nil
	case "hang":
		time.Sleep(time.Hour)
	case "garbage":
		// A program that finds a descriptor 3 and takes it for its own acts like
		// this.
		os.NewFile(3, "somebody's").WriteString("HTTP/1.1 200 OK\r\n\r\n")
		time.Sleep(time.Hour)
	}
	injector, err := inject.New(os.Getenv("INSTAR_FAULTS"))
	if err != nil {
		return err
	}
	config, err := limits()
	if err != nil {
		return err
	}
	var svc *reload.Service
	config.Build = version
	config.Logger = slog.New(injector.Handler(slog.Default().Handler()))
	config.Health = func(context.Context) error { return health(svc) }
	if svc, err = reload.Open(config); err != nil {
		return err
	}
	defer svc.Close()
	injector.Begin(svc.Generation())
	// A bad release fails as a successor only, and not when systemd starts it: the
	// service has to come up when all else has died.
	successor := svc.Generation() > 1
	if fault == "refuse" && successor {
		return svc.Refuse(errors.New("the configuration names no backend"))
	}
	name := "http"
	if fault == "misnamed" {
		name = "https"
	}
	listeners, err := svc.Listeners(name)
	if err != nil {
		return err
	}
	if fault == "late" {
		time.Sleep(time.Hour)
	}
	if fault == "relapse" && successor {
		go relapse(svc, injector)
	}
	h := &handler{svc: svc}
	if svc.Snapshot().StoreMax > 0 {
		h.counter = &counter{injector: injector, hangs: fault == "hungpark"}
		if err := svc.Keep("", h.counter); err != nil {
			return err
		}
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := httpdrain.New(&http.Server{
		Handler:   h.mux(),
		Protocols: protocols,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			injector.Accepted(c.RemoteAddr().String())
			return ctx
		},
	}, listeners...)
	if server.Linger, err = limit(linger); err != nil {
		return err
	}
	err = svc.Serve(ctx, server, &fragile{fails: injector.Failing(), closed: make(chan struct{})})
	injector.Hang(inject.HangMain)
	return err
}

// fragile is a server that does nothing but fail when it is told to.
type fragile struct {
	fails  <-chan struct{}
	closed chan struct{}
}

func (f *fragile) Serve() error {
	select {
	case <-f.fails:
		return errors.New("a server fails, as was ordered")
	case <-f.closed:
		return nil
	}
}

func (f *fragile) Drain(reload.Drain) {}
func (f *fragile) Resume()            {}

func (f *fragile) Close() error {
	close(f.closed)
	return nil
}

// limits are those of the build.
func limits() (reload.Config, error) {
	config := reload.Config{MaxDraining: 2}
	for value, stamp := range map[*time.Duration]string{
		&config.ReadyTimeout: "2s", &config.DrainTimeout: drainTimeout, &config.EndTimeout: endTimeout, &config.Standby: standby,
	} {
		var err error
		if *value, err = limit(stamp); err != nil {
			return config, err
		}
	}
	var err error
	config.Probation, err = time.ParseDuration(probation)
	return config, err
}

// limit is a limit as it was stamped, for an idle machine. On one that is slow it is as
// many times longer as the unit says.
func limit(stamp string) (time.Duration, error) {
	d, err := time.ParseDuration(stamp)
	if err != nil || os.Getenv(units.SlownessVariable) == "" {
		return d, err
	}
	times, err := strconv.Atoi(os.Getenv(units.SlownessVariable))
	return d * time.Duration(times), err
}

// settled is how long a build on probation seems well.
const settled = 600 * time.Millisecond

// trialBegun is when the service was first asked how it is.
var trialBegun = sync.OnceValue(time.Now)

// health is the service's own check.
func health(svc *reload.Service) error {
	if svc.Phase() != "probation" {
		return nil
	}
	begun := trialBegun()
	switch {
	case fault == "unwell" && time.Since(begun) > settled:
		return errors.New("the backend does not answer")
	case fault == "proven" && time.Since(begun) > settled:
		return reload.ErrProven
	}
	return nil
}

// relapse lets this process die when it has served for a while.
func relapse(svc *reload.Service, injector *inject.Injector) {
	for svc.Phase() != "serving" {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(200 * time.Millisecond)
	injector.Die()
}
