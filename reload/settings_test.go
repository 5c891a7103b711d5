package reload

import (
	"strings"
	"testing"
	"time"
)

func TestContradictions(t *testing.T) {
	for _, c := range []struct {
		name      string
		probation time.Duration
		unit      settings
		keeps     bool
		store     int
		want      []string // the directives to write
	}{
		{"outside systemd", time.Minute, settings{}, true, 0, nil},
		{"all fits", time.Minute, settings{supervised: true, listens: true, watchdog: 2 * time.Minute}, true, 64, nil},
		{"no watchdog", time.Minute, settings{supervised: true, listens: true, watchdog: 0}, false, 0, nil},
		{"Type=simple", 0, settings{supervised: true}, false, 0, []string{"Type=notify-reload"}},
		{"a successor has no such word", 0, settings{}, false, 0, nil},
		{"watchdog", time.Minute, settings{supervised: true, listens: true, watchdog: time.Minute}, false, 0, []string{"WatchdogSec=2m0s"}},
		{"no store", 0, settings{supervised: true, listens: true, watchdog: 0}, true, 0, []string{"FileDescriptorStoreMax="}},
		{"all at once", time.Hour, settings{supervised: false, listens: true, watchdog: time.Second}, true, 0, []string{"WatchdogSec=2h", "FileDescriptorStoreMax="}},
	} {
		got := Config{Probation: c.probation}.contradictions(c.unit, c.keeps, c.store, nil)
		if len(got) != len(c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
			continue
		}
		for i, err := range got {
			if !strings.Contains(err.Error(), "write "+c.want[i]) || !strings.Contains(err.Error(), "systemd.service(5)") {
				t.Errorf("%s: %v, want %v", c.name, err, c.want[i])
			}
		}
	}
}

func TestSupervised(t *testing.T) {
	for value, want := range map[string]bool{"7": true, "70": false, "": false, "x": false} {
		got := supervised(func(key string) (string, bool) { return value, key == "SYSTEMD_EXEC_PID" }, 7)
		if got != want {
			t.Errorf("SYSTEMD_EXEC_PID=%q: %v, want %v", value, got, want)
		}
	}
}
