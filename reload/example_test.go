package reload_test

import (
	"context"
	"log"
	"net/http"
	"time"

	"github.com/instar-project/instar/reload"
	"github.com/instar-project/instar/reload/httpdrain"
)

// Work that only one generation may do, such as sending what is due. Serve of a server
// begins before its generation is the one that serves: a socket waits for that, other
// work has to look. What is under way at a takeover is finished by the predecessor, thanks
// to Begin, and may overlap with the first piece of its successor: where that matters, as
// in a ledger, the pieces need a lock besides.
func ExampleService_Watch() {
	svc, err := reload.Open(reload.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer svc.Close()
	ln, err := svc.Listener("http")
	if err != nil {
		log.Fatal(err)
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
	if err := svc.Serve(context.Background(), httpdrain.New(&http.Server{}, ln)); err != nil {
		log.Fatal(err)
	}
}

func sendWhatIsDue() {}
