package stage

import (
	"context"
	"fmt"
	"time"
)

// Pause waits for d, or until ctx ends; then it returns the cause.
func Pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Until asks again and again, with pauses, whether something is so: counters and control
// groups have no event to wait for. The error, when ctx ends first, says what was waited for.
func Until(ctx context.Context, what string, pause time.Duration, so func() (bool, error)) error {
	for {
		if ok, err := so(); ok || err != nil {
			return err
		}
		if err := Pause(ctx, pause); err != nil {
			return fmt.Errorf("waited in vain for this: %s: %w", what, err)
		}
	}
}
