package sdstore

import (
	"errors"
	"strings"
	"testing"

	"github.com/instar-project/instar/internal/fdname"
)

func TestNames(t *testing.T) {
	longest := strings.Repeat("k", maxKeeper)
	for text, n := range map[string]Name{
		"instar.blob.sessions.1":                  {Key{Blob, "", "sessions"}, 1}, // as before there were several Keepers
		"instar.bundle.a.b.c.0":                   {Key{Bundle, "", "a.b.c"}, 0},
		"instar.fd...3":                           {Key{FD, "", "."}, 3},
		"instar.blob.keys/current.7":              {Key{Blob, "keys", "current"}, 7},
		"instar.blob.a.b/c.d.7":                   {Key{Blob, "a.b", "c.d"}, 7},
		"instar.blob.blob/instar.7":               {Key{Blob, "blob", "instar"}, 7},
		"instar.journal.7.7.18446744073709551615": {Key{Journal, "", "7.7"}, 18446744073709551615},

		"instar.journal." + longest + "/" + strings.Repeat("x", maxBoth-maxKeeper-1) + ".18446744073709551615": {
			Key{Journal, longest, strings.Repeat("x", maxBoth-maxKeeper-1)}, 18446744073709551615,
		},
	} {
		got, ok := Parse(text)
		if !ok || got != n || n.String() != text {
			t.Errorf("Parse(%q) = %v, %v", text, got, ok)
		}
		if err := fdname.Problem(text); err != "" {
			t.Errorf("%q is no FDNAME: %v", text, err)
		}
	}
	for _, s := range []string{
		"", "http", "instar.", "instar.blob", "instar.blob.x", "instar.blob.x.", "instar.blob..1",
		"instar.blob.x.01", "instar.blob.x.-1", "instar.blob.x.18446744073709551616",
		"instar.crystal.x.1", "Instar.blob.x.1", "instar.blob.a\x01.1", "instar.blob.a:b.1",
		"instar.blob./x.1", "instar.blob.k/.1", "instar.blob.k/x/y.1", "instar.blob.k:/x.1",
		"instar.blob." + longest + "k/x.1",
	} {
		if n, ok := Parse(s); ok {
			t.Errorf("Parse(%q) = %v; want not ok", s, n)
		}
	}
}

func TestCheckKeeper(t *testing.T) {
	for name, ok := range map[string]bool{
		"": true, "sessions": true, "a.b c": true, strings.Repeat("k", maxKeeper): true,
		"a/b": false, "a:b": false, "é": false, "a\nb": false, strings.Repeat("k", maxKeeper+1): false,
	} {
		if err := CheckKeeper(name); ok != (err == nil) || err != nil && !errors.Is(err, ErrInvalidName) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("instar.blob.sessions.7")
	f.Add("instar.bundle.a.b.0")
	f.Add("instar.blob.keys/current.7")
	f.Fuzz(func(t *testing.T, s string) {
		n, ok := Parse(s)
		if ok && n.String() != s {
			t.Errorf("%q was parsed as %q", s, n)
		}
		if ok && fdname.Problem(s) != "" {
			t.Errorf("%q is no FDNAME", s)
		}
	})
}
