package notify

import (
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestUntilDone(t *testing.T) {
	for name, test := range map[string]struct {
		timeout time.Duration
		results []error // of the calls, the last one for ever
		want    error
	}{
		"done":              {time.Minute, []error{nil}, nil},
		"failed":            {time.Minute, []error{unix.ENOENT}, unix.ENOENT},
		"interrupted":       {time.Minute, []error{unix.EINTR, unix.EINTR, nil}, nil},
		"interrupted, fail": {time.Minute, []error{unix.EINTR, unix.EAGAIN}, unix.EAGAIN},
		"always":            {time.Millisecond, []error{unix.EINTR}, unix.EAGAIN},
	} {
		t.Run(name, func(t *testing.T) {
			err := untilDone(test.timeout, "sendmsg", func() error {
				result := test.results[0]
				if len(test.results) > 1 {
					test.results = test.results[1:]
				}
				return result
			})
			if !errors.Is(err, test.want) {
				t.Errorf("error %v; want %v", err, test.want)
			}
		})
	}
}
