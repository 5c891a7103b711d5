package units

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// infinity stands for "infinity" of systemd.time(7), and for every span that is
// longer than a time.Duration can be.
const infinity = time.Duration(math.MaxInt64)

// parseBool reads a boolean of systemd.syntax(7).
func parseBool(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "1", "yes", "y", "true", "t", "on":
		return true, nil
	case "0", "no", "n", "false", "f", "off":
		return false, nil
	}
	return false, fmt.Errorf("%q is no boolean: write yes or no", s)
}

// timeUnits are those of systemd.time(7).
var timeUnits = map[string]time.Duration{
	"ns": time.Nanosecond, "nsec": time.Nanosecond,
	"us": time.Microsecond, "usec": time.Microsecond, "µs": time.Microsecond, "μs": time.Microsecond,
	"ms": time.Millisecond, "msec": time.Millisecond,
	"s": time.Second, "sec": time.Second, "second": time.Second, "seconds": time.Second, "": time.Second,
	"m": time.Minute, "min": time.Minute, "minute": time.Minute, "minutes": time.Minute,
	"h": time.Hour, "hr": time.Hour, "hour": time.Hour, "hours": time.Hour,
	"d": 24 * time.Hour, "day": 24 * time.Hour, "days": 24 * time.Hour,
	"w": 7 * 24 * time.Hour, "week": 7 * 24 * time.Hour, "weeks": 7 * 24 * time.Hour,
	"M": 2629800 * time.Second, "month": 2629800 * time.Second, "months": 2629800 * time.Second,
	"y": 31557600 * time.Second, "year": 31557600 * time.Second, "years": 31557600 * time.Second,
}

// parseSpan reads a time span of systemd.time(7), such as "1min 30s". A number
// alone is seconds.
func parseSpan(s string) (time.Duration, error) {
	bad := func() (time.Duration, error) {
		return 0, fmt.Errorf("%q is no time span: write one such as 90s or 1min 30s", clip(s))
	}
	rest := strings.TrimSpace(s)
	if rest == "infinity" {
		return infinity, nil
	}
	if rest == "" {
		return bad()
	}
	total := 0.0
	for rest != "" {
		number := rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789."))]
		rest = strings.TrimLeft(rest[len(number):], " \t")
		unit := rest
		if i := strings.IndexAny(rest, "0123456789. \t"); i >= 0 {
			unit = rest[:i]
		}
		rest = strings.TrimLeft(rest[len(unit):], " \t")
		length, known := timeUnits[unit]
		n, err := strconv.ParseFloat(number, 64)
		if err != nil || !known {
			return bad()
		}
		total += n * float64(length)
	}
	if total >= float64(infinity) {
		return infinity, nil
	}
	return time.Duration(math.Round(total)), nil
}

// Words splits a line as systemd splits that of ExecStart=, see "Quoting" in
// systemd.syntax(7).
func Words(s string) []string { return splitWords(s) }

// splitWords splits a value at white space; quotes keep words together, and a
// backslash takes the next character as it is, or is the start of \t, \n or \s.
func splitWords(s string) []string {
	var words []string
	var word strings.Builder
	var quote rune
	inside, escaped := false, false
	for _, c := range s {
		switch {
		case escaped:
			if i := strings.IndexRune("tns", c); i >= 0 {
				c = rune("\t\n "[i])
			}
			word.WriteRune(c)
			escaped = false
		case c == '\\':
			inside, escaped = true, true
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(c)
		case !inside && (c == '"' || c == '\''):
			inside, quote = true, c
		case c == ' ' || c == '\t' || c == '\n':
			if inside {
				words = append(words, word.String())
			}
			word.Reset()
			inside = false
		default:
			inside = true
			word.WriteRune(c)
		}
	}
	if inside {
		words = append(words, word.String())
	}
	return words
}

// command is a line such as ExecStart= has it.
type command struct {
	prefix string   // of the characters "@-:+!|"
	path   string   // specifiers left in; "" when there is none
	argv   []string // after the path; with '@', the first of it is argv[0]
}

func parseCommand(value string) command {
	words := splitWords(value)
	if len(words) == 0 {
		return command{}
	}
	path := strings.TrimLeft(words[0], "@-:+!|")
	return command{words[0][:len(words[0])-len(path)], path, words[1:]}
}
