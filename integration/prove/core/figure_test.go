package core

import (
	"errors"
	"testing"
)

func TestVerdict(t *testing.T) {
	pairs := []pair{{11, 10}, {12, 10}, {13, 10}} // median: ratio 1.2, 2 more
	for _, test := range []struct {
		name   string
		figure figure
		want   string
	}{
		{"ratio met exactly", figure{pairs: pairs, target: target{ratio: 1.2}}, "met"},
		{"ratio missed", figure{pairs: pairs, target: target{ratio: 1.19}}, "MISSED"},
		{"difference met exactly", figure{pairs: pairs, target: target{more: 2}}, "met"},
		{"difference missed", figure{pairs: pairs, target: target{more: 1.9}}, "MISSED"},
		{"less than the bare one", figure{pairs: []pair{{9, 10}}, target: target{more: 1}}, "met"},
		{"no target", figure{pairs: pairs}, "–"},
		{"not measured", figure{unmeasured: errors.New("no machine"), target: target{ratio: 2}}, "not measured"},
	} {
		if got := test.figure.verdict(); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func TestTargetText(t *testing.T) {
	for text, target := range map[string]target{"≤ 1.02": {ratio: 1.02}, "≤ +1.5 MB": {more: 1.5}, "": {}} {
		if got := target.text("MB"); got != text {
			t.Errorf("%+v: %q, want %q", target, got, text)
		}
	}
}
