package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

func TestPlain(t *testing.T) {
	for s, want := range map[string]string{
		"":                             "",
		"no backend":                   "no backend",
		"größer → 東京 ▲":                "größer → 東京 ▲",
		"a\tb":                         "a b",
		"a\nREADY=1\r":                 "a\uFFFDREADY=1\uFFFD",
		"\x1b]0;owned\a\x1b[2J":        "\uFFFD]0;owned\uFFFD\uFFFD[2J",
		"\u009b31m\u0085\u007f":        "\uFFFD31m\uFFFD\uFFFD",
		"\x9b31m":                      "\uFFFD31m", // no UTF-8
		"\u202egpj.exe\u202c\u2066a":   "\uFFFDgpj.exe\uFFFD\uFFFDa",
		"\u200bzero\ufeff\u2028\u2029": "\uFFFDzero\uFFFD\uFFFD\uFFFD",
	} {
		if got := plain(s); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
}

// steers finds the first character that no terminal should get.
func steers(s string, allowed ...rune) (rune, bool) {
	for _, r := range s {
		if !unicode.IsPrint(r) && !strings.ContainsRune(string(allowed), r) {
			return r, true
		}
	}
	return 0, false
}

func FuzzOutput(f *testing.F) {
	f.Add("a\tb\x1b[31m\u009b\u202e\xff\nc")
	f.Fuzz(func(t *testing.T, s string) {
		got := plain(s)
		if r, ok := steers(got); ok || !utf8.ValidString(got) {
			t.Errorf("plain(%q) lets %U through", s, r)
		}
		if plain(got) != got {
			t.Errorf("plain(%q) is not plain", got)
		}
		var b bytes.Buffer
		complain(&b, "%s", s)
		if r, ok := steers(b.String(), '\n'); ok || strings.Count(b.String(), "\n") != strings.Count(s, "\n")+1 {
			t.Errorf("complain(%q) prints %q: %U", s, b.String(), r)
		}
		b.Reset()
		if err := printJSON(&b, map[string]string{s: s}, len(s)%2 == 0); err != nil {
			t.Fatal(err)
		}
		if r, ok := steers(b.String(), '\n'); ok {
			t.Errorf("printJSON(%q) lets %U through", s, r)
		}
		var back map[string]string
		valid := strings.ToValidUTF8(s, "\uFFFD")
		if err := json.Unmarshal(b.Bytes(), &back); err != nil || utf8.ValidString(s) && back[valid] != valid {
			t.Errorf("printJSON(%q) reads as %q, %v", s, back, err)
		}
	})
}

// The error of a command may be the word of a hostile service.
func TestErrorsArePlain(t *testing.T) {
	var stderr bytes.Buffer
	cmd := &cobra.Command{
		RunE:          func(*cobra.Command, []string) error { return errors.New("\x1b]0;owned\a\nsecond\u009b2J") },
		SilenceErrors: true, SilenceUsage: true,
	}
	cmd.SetArgs([]string{})
	cmd.SetErr(&stderr)
	if status := run(t.Context(), cmd); status != exitFailed {
		t.Errorf("exit status %d", status)
	}
	if want := "instar: \uFFFD]0;owned\uFFFD\ninstar: second\uFFFD2J\n"; stderr.String() != want {
		t.Errorf("%q, want %q", stderr.String(), want)
	}
}
