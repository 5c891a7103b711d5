package oneline

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestLine(t *testing.T) {
	const text = " a\nb\x1b[31m\tc\u202e\xff\x00 "
	for _, c := range []struct{ name, got, want string }{
		{"Blank", Blank(text), "a b [31m c \uFFFD"},
		{"Marked", Marked(text), " a\uFFFDb\uFFFD[31m c\uFFFD\uFFFD\uFFFD "},
		{"Valid", Valid(text), "a b [31m c\u202e\uFFFD"},
		{"Head", Head("aéé", 4), "a…"},
		{"Head of all", Head("aéé", 5), "aéé"},
		{"Tail", Tail("éab", 2), "…ab"},
		{"Tail of all", Tail("éab", 3), "éab"},
	} {
		if c.got != c.want {
			t.Errorf("%s: %q, want %q", c.name, c.got, c.want)
		}
	}
}

func FuzzLine(f *testing.F) {
	f.Add("a\nREADY=1", 3)
	f.Add("\xff\x1b", 100)
	f.Fuzz(func(t *testing.T, text string, most int) {
		for _, line := range []string{Blank(text), Marked(text)} {
			if strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("%q", line)
			}
		}
		line := Valid(text)
		if strings.ContainsFunc(line, unicode.IsControl) || !utf8.ValidString(line) {
			t.Errorf("%q", line)
		}
		if most > len(ellipsis) {
			if head := Head(line, most); len(head) > most || !utf8.ValidString(head) {
				t.Errorf("%q", head)
			}
		}
	})
}
