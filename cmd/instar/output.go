package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf16"

	"github.com/instar-project/instar/internal/oneline"

	"golang.org/x/term"
)

// Texts of services, units and the journal may be hostile: an escape sequence steers
// the user's terminal, a line feed forges a line. So these functions print
// everything that is not a constant of this program.

// plain is s on one line, with nothing in it that steers a terminal.
func plain(s string) string { return oneline.Marked(s) }

// complain prints an error, a line for each line of it.
func complain(w io.Writer, format string, args ...any) {
	for line := range strings.SplitSeq(fmt.Sprintf(format, args...), "\n") {
		fmt.Fprintln(w, "instar: "+plain(line))
	}
}

// printJSON prints v, over several lines for people or on one.
func printJSON(w io.Writer, v any, indent bool) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if indent {
		e.SetIndent("", "  ")
	}
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(escaped(b.Bytes()))
	return err
}

// escaped is JSON without a character that plain would replace: outside its strings
// there is none but the line feed.
func escaped(text []byte) []byte {
	var b bytes.Buffer
	for _, r := range string(text) {
		switch {
		case r == '\n' || unicode.IsPrint(r):
			b.WriteRune(r)
		case r > 0xFFFF:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.Bytes()
}

// terminal says whether w is one, and its descriptor.
func terminal(w io.Writer) (fd int, ok bool) {
	file, ok := w.(*os.File)
	if !ok {
		return -1, false
	}
	return int(file.Fd()), term.IsTerminal(int(file.Fd()))
}
