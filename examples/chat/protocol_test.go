package main

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParse(t *testing.T) {
	for input, want := range map[string]command{
		"join lobby ada":         {verb: join, room: "lobby", nick: "ada"},
		"1 hello":                {verb: say, number: 1, text: "hello"},
		"18446744073709551615 x": {verb: say, number: 1<<64 - 1, text: "x"},
		"2  two spaces ":         {verb: say, number: 2, text: " two spaces "},
		"got 7":                  {verb: got, number: 7},
		"quit":                   {verb: quit},
	} {
		if c, err := parse([]byte(input)); err != nil || c != want {
			t.Errorf("parse(%q) = %+v, %v; want %+v", input, c, err, want)
		}
	}
	for _, input := range []string{
		"", " ", "hello", "0 zero", "-1 minus", "1", "1 ", "18446744073709551616 x", "got", "got x", "quit now",
		"join", "join lobby", "join lobby ada x", "join Lobby ada", "join lobby " + strings.Repeat("a", maxName+1),
		"1 a\rb", "1 a\x00b", "1 \xff",
	} {
		if c, err := parse([]byte(input)); err == nil {
			t.Errorf("parse(%q) = %+v, want an error", input, c)
		}
	}
}

// A client's line can only make the server say that text, in one line.
func FuzzParse(f *testing.F) {
	for _, input := range []string{"join lobby ada", "1 hello", "got 7", "quit", "1 a\r\n#2", "9 \u2028"} {
		f.Add([]byte(input))
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		c, err := parse(input)
		if err != nil || c.verb != say {
			return
		}
		out := string(appendLine(nil, 1, "lobby", line{"ada", c.text}))
		if !utf8.ValidString(out) || strings.Count(out, "\n") != 1 || strings.Count(out, "\r") != 1 || !strings.HasSuffix(out, "\r\n") {
			t.Errorf("%q is said as %q", input, out)
		}
	})
}
