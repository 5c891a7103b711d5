package stage

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestUntil(t *testing.T) {
	asked := 0
	if err := Until(t.Context(), "the third time", time.Microsecond, func() (bool, error) { asked++; return asked == 3, nil }); err != nil || asked != 3 {
		t.Errorf("asked %d times: %v", asked, err)
	}
	broken := errors.New("broken")
	if err := Until(t.Context(), "nothing", time.Hour, func() (bool, error) { return false, broken }); err != broken {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(broken)
	err := Until(ctx, "the moon", time.Hour, func() (bool, error) { return false, nil })
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "the moon") {
		t.Errorf("error %v", err)
	}
}
