package proof

import (
	"errors"
	"strings"
	"testing"
)

// The report is the last line, with [] where there are no lines.
func TestConclude(t *testing.T) {
	type report struct {
		Requests int   `json:"requests"`
		Problems Lines `json:"problems"`
	}
	var out strings.Builder
	if err := Conclude(&out, report{Requests: 3}, nil); err != nil || out.String() != `{"requests":3,"problems":[]}`+"\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
	out.Reset()
	var r report
	r.Problems.Expect(true, "no problem")
	r.Problems.Expect(false, "%d of %d > none", 1, 2)
	const want = "Not as it should be: 1 of 2 > none.\n" + `{"requests":0,"problems":["1 of 2 > none"]}` + "\n"
	if err := Conclude(&out, r, r.Problems); !errors.Is(err, ErrFailed) || out.String() != want {
		t.Errorf("%q, %v", out.String(), err)
	}
}
