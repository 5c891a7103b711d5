package units

import (
	"testing"

	"github.com/instar-project/instar/reload"
)

func TestDefaultsAreThoseOfReload(t *testing.T) {
	if DefaultReadyTimeout != reload.DefaultReadyTimeout || DefaultDrainTimeout != reload.DefaultDrainTimeout {
		t.Error("package reload has other defaults")
	}
}
