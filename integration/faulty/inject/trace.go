package inject

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Event is a line of the trace. Exactly one of Step, Client, Fault, Dies and Clash
// is set.
type Event struct {
	At         int64  `json:"at"` // CLOCK_REALTIME, in microseconds
	PID        int    `json:"pid"`
	Generation int    `json:"generation,omitempty"`
	Step       *Step  `json:"step,omitempty"`    // without its Side
	Peer       int    `json:"peer,omitempty"`    // with Step: the other process of the upgrade; 0: none lives
	Client     string `json:"client,omitempty"`  // the address of a connection that the process has accepted
	Fault      Fault  `json:"fault,omitempty"`   // it is about to happen
	Victims    []int  `json:"victims,omitempty"` // with Fault
	Dies       bool   `json:"dies,omitempty"`    // the build does so by itself
	Clash      Clash  `json:"clash,omitempty"`   // this process and another one claim the same
	With       int    `json:"with,omitempty"`    // with Clash: the other one's PID
}

// Clash is an act that two processes must not do at the same time.
type Clash string

// The clashes.
const (
	Writers   Clash = "may change the state"
	Acceptors Clash = "have their gates open"
)

// ReadTrace reads the events so far. A line that is just being written is left out;
// no trace is an empty one.
func ReadTrace(dir string) ([]Event, error) {
	text, err := os.ReadFile(filepath.Join(dir, traceFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	var events []Event
	for line := range bytes.Lines(text) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			break
		}
		var e Event
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	return events, nil
}

// Place begins a new trace in dir, and an order with it unless it is nil.
func Place(dir string, order *Order) error {
	if err := Withdraw(dir); err != nil {
		return err
	}
	// A DynamicUser= writes it.
	if err := os.WriteFile(filepath.Join(dir, traceFile), nil, 0o666); err != nil {
		return err
	}
	if err := os.Chmod(filepath.Join(dir, traceFile), 0o666); err != nil {
		return err
	}
	if order == nil {
		return nil
	}
	text, err := json.Marshal(order)
	if err != nil {
		return err
	}
	fresh := filepath.Join(dir, orderFile+".new")
	if err := os.WriteFile(fresh, text, 0o644); err != nil {
		return err
	}
	return os.Rename(fresh, filepath.Join(dir, orderFile))
}

// Withdraw takes back an order that is not consumed yet, and ends a fault that
// lasts.
func Withdraw(dir string) error {
	for _, name := range []string{orderFile, fullFile} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

const (
	traceFile = "trace"
	orderFile = "order"
	fullFile  = "full" // the disk is, while this is there

	acceptsFile = "accepts" // locked by the process that does
	writesFile  = "writes"  // locked by the process that may
)
