package reload

import (
	"context"
	"errors"
	"log/slog"
	"os"
)

// Main is the whole of a service's func main. It opens config, calls run, and ends the
// process: with status 0 when run has returned nil, and with status 1 when it has
// returned an error. It never returns. Nothing else in this library ends the process.
//
//	func main() {
//		reload.Main(reload.Config{}, func(ctx context.Context, svc *reload.Service) error {
//			ln, err := svc.Listener("http")
//			if err != nil {
//				return err
//			}
//			return svc.Serve(ctx, httpdrain.New(&http.Server{}, ln))
//		})
//	}
//
// An error is logged. Before Serve it is a refusal to take over, as by
// [Service.Refuse]: the predecessor serves on. A preflight is answered, and ends with
// status 0 without a call of run. A panic ends the process as ever, and its words reach
// the predecessor and the journal.
//
// ctx ends when run has returned. To end the service at another event, give Serve a
// context derived from it. Deferred calls in run happen; those in main do not.
func Main(config Config, run func(ctx context.Context, svc *Service) error) {
	os.Exit(exitStatus(config, run))
}

// exitStatus is Main without the exit, so that deferred calls happen before it.
func exitStatus(config Config, run func(context.Context, *Service) error) int {
	svc, err := Open(config)
	if errors.Is(err, ErrPreflight) {
		return 0 // the predecessor has the answer
	}
	if err != nil {
		log := config.Logger
		if log == nil {
			log = slog.Default()
		}
		log.Error("this process will not serve", "error", err)
		return 1
	}
	defer svc.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	switch err := run(ctx, svc); {
	case err == nil:
		return 0
	case svc.served.Load():
		svc.log.Error("the service has failed", "error", err)
	default:
		svc.refuseAsReturned(err) // Close logs it
	}
	return 1
}
