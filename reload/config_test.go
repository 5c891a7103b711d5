package reload

import (
	"testing"
	"time"

	"github.com/instar-project/instar/internal/limits"
)

func TestConfigDefaults(t *testing.T) {
	c, err := Config{}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	if c.ReadyTimeout != limits.ReadyTimeout || c.DrainTimeout != limits.DrainTimeout || c.Logger == nil || c.Build == "" {
		t.Errorf("%+v", c)
	}
	c, err = Config{ReadyTimeout: time.Second, DrainTimeout: time.Minute, Build: "v1"}.withDefaults()
	if err != nil || c.ReadyTimeout != time.Second || c.DrainTimeout != time.Minute || c.Build != "v1" {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestConfigErrors(t *testing.T) {
	for _, c := range []struct {
		config Config
		want   string
	}{
		{Config{ReadyTimeout: -time.Second}, "reload: Config.ReadyTimeout is -1s: give a positive duration, or 0 for 30s"},
		{Config{DrainTimeout: -1}, "reload: Config.DrainTimeout is -1ns: give a positive duration, or 0 for 30s"},
	} {
		if _, err := Open(c.config); err == nil || err.Error() != c.want {
			t.Errorf("Open(%+v): %v, want %s", c.config, err, c.want)
		}
	}
}
