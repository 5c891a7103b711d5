package reload

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/instar-project/instar/internal/handover"
)

// What is left behind is in the verdict, for people and for the journal, and goes over to
// the successor.
func TestVerdictOfWhatIsLeftBehind(t *testing.T) {
	v := Verdict{
		Attempt: 1, To: Party{Generation: 2, Build: "v2"}, Steps: []Step{{"preparing", time.Millisecond}},
		LeftBehind: []string{"EnvironmentFile=/etc/x: permission denied", "StandardOutput=/var/log/x: no"},
	}
	if got, want := v.String(), "upgrade 1 to generation 2 (v2) succeeded in 1ms; left behind: EnvironmentFile=/etc/x: permission denied; StandardOutput=/var/log/x: no"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	f := v.fields()
	if f["INSTAR_LEFT_BEHIND"] != strings.Join(v.LeftBehind, "\n") || f["PRIORITY"] != "4" || f["INSTAR_RESULT"] != "succeeded" {
		t.Errorf("in the journal: %q", f)
	}
	if got := fromWire(v.toWire()).LeftBehind; !slices.Equal(got, v.LeftBehind) {
		t.Errorf("the successor learns %q, want %q", got, v.LeftBehind)
	}
	if f := fromWire(handover.Verdict{Attempt: 1}).fields(); f["INSTAR_LEFT_BEHIND"] != "" || f["PRIORITY"] != "6" {
		t.Errorf("of an upgrade that has left nothing behind: %q", f)
	}
}

func TestBounded(t *testing.T) {
	got := bounded(slices.Repeat([]string{"a\nb", strings.Repeat("x", 400)}, 10))
	if len(got) != 17 || got[0] != "a b" || got[1] != strings.Repeat("x", 300)+"…" || got[16] != "and 4 more" {
		t.Errorf("%q", got)
	}
	if got := bounded(nil); got != nil {
		t.Errorf("%q", got)
	}
}
