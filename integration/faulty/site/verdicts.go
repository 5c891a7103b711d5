package site

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/instar-project/instar/integration/machine"
	"github.com/instar-project/instar/internal/verdict"
)

// Verdict is the journal's entry of an upgrade, in the machine's PIDs.
type Verdict struct {
	Unit      string
	PID       int // of the process that has given it
	Successor int // 0: none could be started
	Succeeded bool
	Reason    string
}

// Verdicts follows the journal of a machine. It ends with the machine.
type Verdicts struct {
	mu   sync.Mutex
	all  []Verdict
	more chan struct{} // closed at the next one
	err  error         // why there will be no more
}

func followVerdicts(m *machine.Machine) (*Verdicts, error) {
	cmd := m.Command(context.Background(), "journalctl", "--boot", "--follow", "--no-tail", "--quiet",
		"--output=json", "MESSAGE_ID="+verdict.MessageID)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	v := &Verdicts{more: make(chan struct{})}
	go func() {
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			v.take(lines.Bytes())
		}
		err := cmd.Wait()
		v.mu.Lock()
		defer v.mu.Unlock()
		v.err = fmt.Errorf("journalctl has ended: %v, %v", lines.Err(), err)
		close(v.more)
		v.more = make(chan struct{})
	}()
	return v, nil
}

func (v *Verdicts) take(line []byte) {
	var entry map[string]any // of strings, but for values with odd bytes
	if err := json.Unmarshal(line, &entry); err != nil {
		return
	}
	field := func(name string) string { return fmt.Sprint(entry[name]) }
	one := Verdict{Unit: field("_SYSTEMD_UNIT"), Succeeded: field("INSTAR_RESULT") == "succeeded", Reason: field("INSTAR_REASON")}
	one.PID, _ = strconv.Atoi(field("_PID"))
	one.Successor, _ = strconv.Atoi(field("INSTAR_TO_PID"))
	v.mu.Lock()
	defer v.mu.Unlock()
	v.all = append(v.all, one)
	close(v.more)
	v.more = make(chan struct{})
}

// of returns all of a unit so far, from the one numbered first.
func (v *Verdicts) of(unit string, first int) (all []Verdict, more <-chan struct{}, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, one := range v.all {
		if one.Unit == unit {
			if first--; first < 0 {
				all = append(all, one)
			}
		}
	}
	return all, v.more, v.err
}

// patiently bounds how long something that is to come is waited for.
func patiently(ctx context.Context, missing string) (context.Context, context.CancelFunc) {
	patience := Scaled(30 * time.Second)
	return context.WithTimeoutCause(ctx, patience, fmt.Errorf("%s after %v", missing, patience))
}
