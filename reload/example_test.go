package reload_test

import (
	"context"
	"errors"
	"expvar"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"time"

	"github.com/instar-project/instar/activation"
	"github.com/instar-project/instar/reload"
	"github.com/instar-project/instar/reload/httpdrain"
)

// A service on two sockets: a web site, and its metrics.
func ExampleMain() {
	reload.Main(reload.Config{}, func(ctx context.Context, svc *reload.Service) error {
		web, noWeb := svc.Listener("http")
		admin, noAdmin := svc.Listener("admin")
		if err := errors.Join(noWeb, noAdmin); err != nil {
			return err // names the directives that are missing
		}
		return svc.Serve(ctx,
			httpdrain.New(&http.Server{Handler: http.FileServer(http.Dir("/srv/www"))}, web),
			httpdrain.New(&http.Server{Handler: expvar.Handler()}, admin))
	})
}

// By hand a program has no sockets, and says how to get them.
func ExampleService_Listener() {
	svc, err := reload.Open(reload.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		log.Fatal(err)
	}
	defer svc.Close()
	_, err = svc.Listener("http")
	fmt.Println(errors.Is(err, activation.ErrNotActivated))
	// Output: true
}

// Work that only one generation may do, such as sending mail that is due. Serve of a
// server begins before its generation serves: a socket waits for that, other work has to
// look. The predecessor finishes work that is under way at a takeover, thanks to Begin,
// and may overlap with the first piece of its successor: where that matters, as in a
// ledger, the pieces need a lock besides.
func ExampleService_Watch() {
	reload.Main(reload.Config{}, func(ctx context.Context, svc *reload.Service) error {
		ln, err := svc.Listener("http")
		if err != nil {
			return err
		}
		go func() {
			changes, stop := svc.Watch()
			defer stop()
			for due := time.Tick(time.Minute); ; {
				if svc.Snapshot().Main {
					done := svc.Begin()
					sendWhatIsDue()
					done()
				}
				select {
				case <-due:
				case <-changes: // this generation may be the main one from here on, or not any more
				case <-svc.Done():
					return
				}
			}
		}()
		return svc.Serve(ctx, httpdrain.New(&http.Server{}, ln))
	})
}

func sendWhatIsDue() {}
