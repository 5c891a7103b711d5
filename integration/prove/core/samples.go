package core

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
)

// Units of time, in nanoseconds.
const (
	microsecond = 1e3
	millisecond = 1e6
)

// samples are the measurements of a probe, by name, in nanoseconds.
type samples map[string][][2]float64

// probe runs a command that ends in a probe, and reads its samples.
func probe(cmd *exec.Cmd) (samples, error) {
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%v: %w\n%s", cmd.Args, err, problem.Bytes())
	}
	var s samples
	if err := json.Unmarshal(out.Bytes(), &s); err != nil {
		return nil, fmt.Errorf("%v: its samples: %w", cmd.Args, err)
	}
	return s, nil
}

// pairs gives the samples of one name in a unit of so many nanoseconds.
func (s samples) pairs(name string, unit float64) ([]pair, error) {
	if len(s[name]) == 0 {
		return nil, fmt.Errorf("the probe has no samples of %q", name)
	}
	pairs := make([]pair, len(s[name]))
	for i, ns := range s[name] {
		pairs[i] = pair{ours: ns[0] / unit, bare: ns[1] / unit}
	}
	return pairs, nil
}
