// Package tally counts the experiences of a client, and speaks to the test that has
// started it.
package tally

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"sync"
)

// Tally counts events by a word for each. Its zero value is ready, and its methods may
// be called from several goroutines.
type Tally struct {
	mu     sync.Mutex
	counts map[string]int
}

// Add counts one event.
func (t *Tally) Add(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts == nil {
		t.counts = make(map[string]int)
	}
	t.counts[fmt.Sprintf(format, args...)]++
}

func (t *Tally) snapshot() map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.counts)
}

// Run runs a client: until its stdin ends, which ends the context, and it has returned.
// The client calls begun once everything that it holds open is under way. Its counts go
// to stdout.
func Run(client func(ctx context.Context, begun func(), t *Tally) error) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	var t Tally
	begun := sync.OnceFunc(func() { fmt.Println("begun") })
	if err := client(ctx, begun, &t); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	json.NewEncoder(os.Stdout).Encode(t.snapshot())
}
