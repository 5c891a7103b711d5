package machine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Bounds of the pause between two looks at a unit. systemd announces changes over
// D-Bus only to a client that has subscribed; for a test, asking is good enough,
// and each question costs the machine some milliseconds.
const (
	firstPause = 5 * time.Millisecond
	lastPause  = 100 * time.Millisecond
)

// WaitProperty waits until a unit's property has a value. The error, when ctx is
// done first, has the last value.
func (g *Manager) WaitProperty(ctx context.Context, unit, property, want string) error {
	_, err := g.Wait(ctx, unit, func(p map[string]string) bool { return p[property] == want }, property)
	if err != nil {
		return fmt.Errorf("%w; waited for %s=%s", err, property, want)
	}
	return nil
}

// Wait looks at the properties of a unit until they are as wanted, and returns
// them. The error, when ctx is done first, says how they were last.
func (g *Manager) Wait(ctx context.Context, unit string, wanted func(properties map[string]string) bool,
	properties ...string) (map[string]string, error) {
	var last map[string]string
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		now, err := g.Show(ctx, unit, properties...)
		switch {
		case err == nil && wanted(now):
			return now, nil
		case err == nil:
			last = now
		case ctx.Err() == nil:
			return nil, err
		}
		select {
		case <-ctx.Done():
			return last, fmt.Errorf("machine: %s: %s is %s: %w", g, unit, describe(last), context.Cause(ctx))
		case <-time.After(pause):
		}
	}
}

// describe writes properties in one line, in order of their names.
func describe(properties map[string]string) string {
	if properties == nil {
		return "not seen yet"
	}
	var parts []string
	for name, value := range properties {
		parts = append(parts, name+"="+value)
	}
	slices.Sort(parts)
	return strings.Join(parts, " ")
}
