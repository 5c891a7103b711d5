package units

import (
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// spans are read by systemd-analyze(1) in the same way.
var spans = map[string]time.Duration{
	"90":             90 * time.Second,
	"1.5s":           1500 * time.Millisecond,
	"1min 30s":       90 * time.Second,
	"2h5m":           2*time.Hour + 5*time.Minute,
	"55s500ms":       55*time.Second + 500*time.Millisecond,
	"300ms20s 5day":  5*24*time.Hour + 20*time.Second + 300*time.Millisecond,
	"1 w":            7 * 24 * time.Hour,
	"1 month 1 year": (2629800 + 31557600) * time.Second,
	"2us":            2 * time.Microsecond,
	"0":              0,
}

func TestParseSpan(t *testing.T) {
	for text, want := range spans {
		if got, err := parseSpan(text); err != nil || got != want {
			t.Errorf("%q is %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"infinity", "9999999 years"} {
		if got, err := parseSpan(text); err != nil || got != infinity {
			t.Errorf("%q is %v, %v, want infinity", text, got, err)
		}
	}
	for _, text := range []string{"", "s", "5 fortnights", "1..2s", "-5s", "5s x"} {
		if got, err := parseSpan(text); err == nil {
			t.Errorf("%q is %v, want an error", text, got)
		}
	}
}

func TestParseSpanLikeSystemd(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip(err)
	}
	for text := range spans {
		out, err := exec.Command("systemd-analyze", "timespan", text).Output()
		if err != nil {
			t.Fatal(err)
		}
		_, after, _ := strings.Cut(string(out), "s: ") // "      μs: 1500000"
		usec, err := strconv.ParseInt(strings.Fields(after)[0], 10, 64)
		if err != nil {
			t.Fatalf("%q: %s", text, out)
		}
		if got, _ := parseSpan(text); got.Microseconds() != usec {
			t.Errorf("%q is %v, systemd has %d µs", text, got, usec)
		}
	}
}

// parseSpan reads the output of span.
func TestSpan(t *testing.T) {
	for _, d := range []time.Duration{time.Microsecond, 100 * time.Millisecond, time.Second, 90 * time.Second, 2 * time.Minute, time.Hour} {
		if got, err := parseSpan(span(d)); err != nil || got != d {
			t.Errorf("%v is written as %q and read as %v, %v", d, span(d), got, err)
		}
	}
}

func FuzzParseSpan(f *testing.F) {
	for text := range spans {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if d, err := parseSpan(text); err == nil && d < 0 {
			t.Errorf("%q is %v", text, d)
		}
	})
}

// Every argument arrives as it was given.
func FuzzQuote(f *testing.F) {
	f.Add("/opt/web/web", "a b")
	f.Add(`"`, `\`)
	f.Add("%i", "$HOME")
	f.Add("", ";")
	f.Fuzz(func(t *testing.T, a, b string) {
		if !oneLine(a) || !oneLine(b) {
			return
		}
		words := splitWords(quote([]string{a, b}))
		for i, w := range words {
			words[i] = strings.NewReplacer("%%", "%", "$$", "$").Replace(w)
		}
		if !slices.Equal(words, []string{a, b}) {
			t.Errorf("%q and %q become %s, and that %q", a, b, quote([]string{a, b}), words)
		}
	})
}

func TestParseVersion(t *testing.T) {
	for text, want := range map[string]int{"257.13-1~deb13u1": 257, "262": 262, "v254": 254, "vv": 0, "": 0} {
		if got, err := parseVersion(text); got != want || (err == nil) != (want > 0) {
			t.Errorf("%q is %d, %v, want %d", text, got, err, want)
		}
	}
}
