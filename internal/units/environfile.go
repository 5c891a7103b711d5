package units

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// variableName is a name of an environment variable as systemd takes it.
var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// parseEnvironmentFile reads a file of EnvironmentFile=, see systemd.exec(5), as
// systemd does (src/basic/env-file.c): it gives "NAME=value" for each assignment, and
// skips other lines.
func parseEnvironmentFile(text string) []string {
	var all []string
	for text != "" {
		text = strings.TrimLeft(text, " \t\r\n")
		if text == "" {
			break
		}
		line, rest, _ := strings.Cut(text, "\n")
		if line[0] == '#' || line[0] == ';' || !strings.Contains(line, "=") {
			text = rest
			continue
		}
		name, after, _ := strings.Cut(text, "=")
		value, rest := environmentValue(after)
		if name = strings.TrimRight(name, " \t\r"); variableName.MatchString(name) && utf8.ValidString(value) {
			all = append(all, name+"="+value)
		}
		text = rest
	}
	return all
}

// environmentValue reads the value after '=', which may go over several lines.
func environmentValue(text string) (value, rest string) {
	var b strings.Builder
	trim := 0 // length of b that stays when its end is trimmed: quotes keep spaces
	begun := false
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '\n':
			return trimmed(b.String(), trim), text[i+1:]
		case !begun && strings.IndexByte(" \t\r", c) >= 0:
			// before a value, and between a quoted part and the next one
		case !begun && (c == '\'' || c == '"'):
			n := quoted(&b, text[i+1:], c)
			i += n
			trim = b.Len()
		case c == '\\':
			begun = true
			if i++; i < len(text) && text[i] != '\n' {
				b.WriteByte(text[i])
				trim = b.Len()
			}
		default:
			begun = true
			b.WriteByte(c)
		}
	}
	return trimmed(b.String(), trim), ""
}

// quoted takes the text within quotes, and returns its length, the closing quote
// included.
func quoted(b *strings.Builder, text string, quote byte) int {
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == quote:
			return i + 1
		case c == '\\' && quote == '"' && i+1 < len(text):
			i++
			switch {
			case strings.IndexByte("\"\\`$", text[i]) >= 0:
				b.WriteByte(text[i])
			case text[i] == '\n':
			default:
				b.WriteByte('\\')
				b.WriteByte(text[i])
			}
		default:
			b.WriteByte(c)
		}
	}
	return len(text)
}

// trimmed is s without spaces at its end; the first bytes stay, as many as stays
// says.
func trimmed(s string, stays int) string {
	return s[:stays] + strings.TrimRight(s[stays:], " \t\r")
}
