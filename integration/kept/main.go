// Command kept counts requests over HTTP, and its count outlives every process: a Keeper
// has it. A request that comes when the count is parked is sent on by httpdrain.AskAgain.
// The answer is the count, and the generation that counts.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/instar-project/instar/fdstore"
	"github.com/instar-project/instar/reload"
	"github.com/instar-project/instar/reload/httpdrain"
)

// Set by the linker.
var (
	version   = "dev"
	probation = "0s"
	unwell    = "" // anything else: it is unwell on its probation
)

func main() {
	trial, err := time.ParseDuration(probation)
	if err != nil {
		panic(err)
	}
	config := reload.Config{Build: version, Probation: trial, DrainTimeout: 5 * time.Second}
	if unwell != "" {
		began := time.Now()
		config.Health = func(context.Context) error {
			if time.Since(began) > trial/2 {
				return errors.New("it is not well")
			}
			return nil
		}
	}
	reload.Main(config, run)
}

func run(ctx context.Context, svc *reload.Service) error {
	ln, err := svc.Listener("http")
	if err != nil {
		return err
	}
	c := &counter{generation: svc.Generation()}
	if err := svc.Keep("", c); err != nil {
		return err
	}
	return svc.Serve(ctx, httpdrain.New(&http.Server{Handler: c}, ln))
}

// counter is both the Keeper and the handler.
type counter struct {
	generation int

	mu     sync.Mutex
	parked bool
	count  int
}

const (
	name   = "count"
	schema = 1
)

func (c *counter) Adopt(_ context.Context, store *fdstore.Store, _ reload.Origin) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	count, _, err := fdstore.Load[int](store, name, schema)
	if err != nil && !errors.Is(err, fdstore.ErrNotFound) {
		return err
	}
	c.count, c.parked = count, false
	return nil
}

func (c *counter) Park(ctx context.Context, store *fdstore.Store) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.parked = true
	return fdstore.Save(ctx, store, name, schema, c.count)
}

func (c *counter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.parked {
		httpdrain.AskAgain(w, r)
		return
	}
	c.count++
	fmt.Fprintf(w, "%d %d", c.count, c.generation)
}
