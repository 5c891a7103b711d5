package units

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// syntaxRule is the ID of findings of [Parse].
const syntaxRule = "syntax"

// Parse reads the text of a unit file or a drop-in, as systemd.syntax(7) has it.
// name is the unit it belongs to, file its name in findings. It never fails: it
// notes lines that systemd would ignore in Problems and goes on.
//
// It stands in for go-systemd's unit.DeserializeOptions, which has no line
// numbers and gives up at the first line that is wrong.
func Parse(name, file, content string) *Unit {
	p := parser{unit: &Unit{Name: name, File: file}, file: file}
	p.parse(content)
	return p.unit
}

type parser struct {
	unit    *Unit
	file    string
	section string

	begun   int      // the line that an assignment under way began at; 0: none
	pending []string // its parts so far
}

func (p *parser) parse(content string) {
	content = strings.TrimPrefix(content, "\ufeff")
	number := 0
	for line := range strings.Lines(content) {
		number++
		p.line(number, strings.TrimRight(line, "\r\n"))
	}
	p.end() // a file may end in a backslash
}

// line takes one line of the file. A comment does not end a continued line.
func (p *parser) line(number int, line string) {
	if !utf8.ValidString(line) || strings.ContainsRune(line, 0) {
		p.problem(number, "this line is not UTF-8 text, and systemd ignores it")
		return
	}
	trimmed := strings.TrimLeft(line, " \t")
	if strings.HasPrefix(trimmed, "#") || strings.HasPrefix(trimmed, ";") {
		return
	}
	if p.begun == 0 {
		p.begun = number
	}
	if continued, more := cutContinuation(line); more {
		p.pending = append(p.pending, continued)
		return
	}
	p.pending = append(p.pending, line)
	p.end()
}

// cutContinuation takes the backslash off a line that has an odd number of them
// at its end.
func cutContinuation(line string) (rest string, more bool) {
	backslashes := len(line) - len(strings.TrimRight(line, `\`))
	if backslashes%2 == 0 {
		return line, false
	}
	return line[:len(line)-1], true
}

// end is the end of an assignment, a header or an empty line.
func (p *parser) end() {
	at, whole := p.begun, strings.TrimSpace(strings.Join(p.pending, " "))
	p.begun, p.pending = 0, nil
	if whole == "" {
		return
	}
	if whole[0] == '[' {
		section, ok := strings.CutSuffix(whole[1:], "]")
		if !ok || section == "" {
			p.problem(at, fmt.Sprintf("%q is no section header, and systemd refuses the file", clip(whole)))
			return
		}
		p.section = section
		return
	}
	name, value, ok := strings.Cut(whole, "=")
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	switch {
	case !ok || name == "":
		p.problem(at, fmt.Sprintf("%q is no assignment, and systemd ignores it", clip(whole)))
	case p.section == "":
		p.problem(at, fmt.Sprintf("%s= stands before the first section, and systemd ignores it", clip(name)))
	default:
		p.unit.Directives = append(p.unit.Directives, Directive{p.section, name, value, p.file, at})
	}
}

func (p *parser) problem(line int, reason string) {
	p.unit.Problems = append(p.unit.Problems, Finding{
		Rule: syntaxRule, Severity: Error, Unit: p.unit.Name, File: p.file, Line: line,
		Section: p.section, Reason: reason, Man: "systemd.syntax(7)",
	})
}

// clip shortens a quotation in a reason.
func clip(s string) string {
	const most = 60
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most]) + "…"
}
