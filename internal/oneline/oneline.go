// Package oneline makes one line of text that others have written: of an error, of a
// program's output, of a name in a unit. A line feed in it would forge a line of a log or a
// field of a notification, and an escape sequence steers the terminal of its reader.
package oneline

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Blank returns s with a blank in the place of each character that does not show, and
// without blanks at its ends: for the words of a stranger in a log.
func Blank(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s))
}

// Marked returns s with U+FFFD in the place of each character that does not show, and a
// blank for a tab: for a terminal, where a reader is to see that there was something.
// Characters that do not show are the control characters (U+0080 to U+009F too) and those
// that turn the direction of writing, among others.
func Marked(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case !unicode.IsPrint(r):
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

// Valid returns s as UTF-8 with a blank in the place of each control character, and
// without blanks at its ends: for systemd, which refuses the rest.
func Valid(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD")))
}

const ellipsis = "…"

// Head returns the first bytes of s, most at the most, and an ellipsis if that is not all.
// It cuts no character of UTF-8 in two.
func Head(s string, most int) string {
	if len(s) <= most {
		return s
	}
	end := most - len(ellipsis)
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + ellipsis
}

// Tail returns the last characters of s, most at the most, after an ellipsis if that is
// not all.
func Tail(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return ellipsis + string(r[len(r)-most:])
	}
	return s
}
