package fdstore

import (
	"strings"
	"testing"

	"github.com/instar-project/instar/notify"
)

func TestNames(t *testing.T) {
	for _, n := range []entryName{
		{KindBlob, "sessions", 1},
		{KindBundle, "a.b.c", 0},
		{KindFD, ".", 3},
		{KindJournal, "7.7", 18446744073709551615},
		{KindJournal, strings.Repeat("x", MaxName), 18446744073709551615},
	} {
		got, ok := parseName(n.String())
		if !ok || got != n {
			t.Errorf("parseName(%q) = %v, %v", n.String(), got, ok)
		}
		if err := notify.CheckFDName(n.String()); err != nil {
			t.Errorf("%q is no FDNAME: %v", n.String(), err)
		}
	}
	if kind, name, number, ok := ParseName("instar.blob.sessions.7"); kind != KindBlob || name != "sessions" || number != 7 || !ok {
		t.Errorf("ParseName: %v %q %d %v", kind, name, number, ok)
	}
	for _, s := range []string{
		"", "http", "instar.", "instar.blob", "instar.blob.x", "instar.blob.x.", "instar.blob..1",
		"instar.blob.x.01", "instar.blob.x.-1", "instar.blob.x.18446744073709551616",
		"instar.crystal.x.1", "Instar.blob.x.1", "instar.blob.a\x01.1", "instar.blob.a:b.1",
	} {
		if n, ok := parseName(s); ok {
			t.Errorf("parseName(%q) = %v; want not ok", s, n)
		}
	}
}

func FuzzParseName(f *testing.F) {
	f.Add("instar.blob.sessions.7")
	f.Add("instar.bundle.a.b.0")
	f.Fuzz(func(t *testing.T, s string) {
		n, ok := parseName(s)
		if ok && n.String() != s {
			t.Errorf("%q was parsed as %q", s, n)
		}
	})
}
