package main

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// A client says, a line each:
//
//	join ROOM NICK   first of all
//	N TEXT           to the room; N counts the client's lines, from 1, and only rises
//	got K            it has read the room's lines up to number K
//	quit
//
// The server says:
//
//	joined ROOM K        the room's next lines have the numbers K+1 and so on
//	ok N                 the client's lines up to N are safe, and everybody gets them
//	#K ROOM NICK TEXT    NICK said TEXT; everybody in the room gets it, NICK too
//	error WHY            and then it hangs up
//
// # The effect of a death
//
// The service may be killed between any two instructions, and neither side sees it:
// the connection stays open, and the next process goes on with it.
//
// A line of a client stays in its socket until it is in the journal (peek.go). Killed
// before that, the server finds it there again. Killed after it, likewise, but the
// journal knows N already, so it is not said twice. The client need not do anything: a
// line without an ok is still under way. (It may send it again all the same, as it must
// after it has lost the connection for another reason.)
//
// A line of the server may be cut off in the middle. So each ends in CR LF, and the
// next process begins with a lone LF: a client ignores a line that ends in LF without
// CR. Then the server says joined and ok N, whatever the process before it has told,
// and repeats lines without a got. So a client may hear the same twice, and ignores
// the second time.
const (
	maxInput = 1024 // bytes in a line of a client, its end included
	maxName  = 32   // of a room or a nick
)

// command is a line of a client.
type command struct {
	verb       verb
	room, nick string
	number     uint64
	text       string
}

type verb int

const (
	join verb = iota
	say
	got
	quit
)

var errSyntax = errors.New(`say "join ROOM NICK", "N TEXT", "got K" or "quit"`)

// parse reads a line, without its end.
func parse(input []byte) (command, error) {
	if !utf8.Valid(input) || bytes.ContainsFunc(input, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return command{}, errors.New("a line is UTF-8 without control characters")
	}
	word, rest, _ := bytes.Cut(input, []byte(" "))
	switch string(word) {
	case "join":
		room, nick, _ := bytes.Cut(rest, []byte(" "))
		if !name(room) || !name(nick) {
			return command{}, fmt.Errorf("a room and a nick are 1 to %d of a-z, 0-9, - and _", maxName)
		}
		return command{verb: join, room: string(room), nick: string(nick)}, nil
	case "got":
		k, err := strconv.ParseUint(string(rest), 10, 64)
		if err != nil {
			return command{}, errSyntax
		}
		return command{verb: got, number: k}, nil
	case "quit":
		if len(rest) > 0 {
			return command{}, errSyntax
		}
		return command{verb: quit}, nil
	}
	n, err := strconv.ParseUint(string(word), 10, 64)
	if err != nil || n == 0 || len(rest) == 0 {
		return command{}, errSyntax
	}
	return command{verb: say, number: n, text: string(rest)}, nil
}

func name(b []byte) bool {
	odd := func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_' }
	return len(b) > 0 && len(b) <= maxName && !bytes.ContainsFunc(b, odd)
}

// The lines of the server, appended to b.

func appendCut(b []byte) []byte { return append(b, '\n') }

func appendJoined(b []byte, room string, k uint64) []byte {
	return fmt.Appendf(b, "joined %s %d\r\n", room, k)
}

func appendOK(b []byte, n uint64) []byte { return fmt.Appendf(b, "ok %d\r\n", n) }

func appendLine(b []byte, k uint64, room string, l line) []byte {
	return fmt.Appendf(b, "#%d %s %s %s\r\n", k, room, l.Nick, l.Text)
}

func appendError(b []byte, why error) []byte { return fmt.Appendf(b, "error %v\r\n", why) }
