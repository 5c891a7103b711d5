package units

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
)

// CureName is the name of the drop-ins of [Cure]: systemd reads drop-ins in the order
// of their names, and this one is to have the last word, after override.conf too.
const CureName = "zz-instar.conf"

// Cure makes the drop-ins that cure the findings of [Verify], as far as a line in a unit
// can, each named as "web.service.d/zz-instar.conf", and returns the remaining findings.
// It replaces earlier drop-ins of that name: a pair that needs none gets none.
//
// Findings that depend on the program, such as the name by which it asks for a
// socket, are left to people.
func Cure(p Pair, o Options) (dropIns []File, rest []Finding) {
	before := Pair{Service: uncured(p.Service), SameUser: p.SameUser, Running: p.Running}
	for _, s := range p.Sockets {
		before.Sockets = append(before.Sockets, uncured(s))
	}
	const most = 8                  // rounds: a cure may bring another finding
	cures := make(map[string]*cure) // by unit
	for range most {
		dropIns = nil
		after := Pair{Service: cures[p.Service.Name].applied(before.Service, &dropIns), SameUser: p.SameUser, Running: p.Running}
		for _, s := range before.Sockets {
			after.Sockets = append(after.Sockets, cures[s.Name].applied(s, &dropIns))
		}
		rest = Verify(after, o)
		again := false
		for _, f := range rest {
			u := after.unit(f.Unit)
			if f.Write == "" || u == nil || slices.Contains(byHand, f.Rule) {
				continue
			}
			if cures[f.Unit] == nil {
				cures[f.Unit] = &cure{}
			}
			again = cures[f.Unit].add(u, f) || again
		}
		if !again {
			break
		}
	}
	return dropIns, rest
}

// byHand are the rules whose line has to fit the program.
var byHand = []string{"fd-name", "fd-name-reserved", "fd-name-duplicate"}

// uncured is a unit without the lines of an earlier Cure.
func uncured(u *Unit) *Unit {
	c := *u
	c.Directives = slices.DeleteFunc(slices.Clone(u.Directives), func(d Directive) bool { return filepath.Base(d.File) == CureName })
	return &c
}

// unit is the one of that name; nil if there is none.
func (p Pair) unit(name string) *Unit {
	for _, u := range append([]*Unit{p.Service}, p.Sockets...) {
		if u != nil && u.Name == name {
			return u
		}
	}
	return nil
}

// cure is the drop-in of one unit in the making.
type cure struct{ settings []cureSetting }

// cureSetting is the cure of a setting: one line, or for one that adds up, all
// lines, or those to add.
type cureSetting struct {
	section, name string
	lines         []string
	why           []string // a reason for each rule
	rules         []string
}

// addsUp are the settings whose lines add up, and end with an empty one.
var addsUp = strings.Fields(`
	ExecCondition ExecStartPre ExecStart ExecStartPost ExecReload ExecReloadPost ExecStop ExecStopPost
	Environment UnsetEnvironment BindPaths BindReadOnlyPaths ExecPaths NoExecPaths
	SystemCallFilter RestrictAddressFamilies`)

// add takes a finding about u, cured so far, in; it reports whether that is anything
// new: a setting is not written twice for one rule.
func (c *cure) add(u *Unit, f Finding) bool {
	name, value, _ := strings.Cut(f.Write, "=")
	at := slices.IndexFunc(c.settings, func(s cureSetting) bool { return s.section == f.Section && s.name == name })
	if at < 0 {
		at = len(c.settings)
		c.settings = append(c.settings, cureSetting{section: f.Section, name: name})
	}
	s := &c.settings[at]
	var lines []string
	if slices.Contains(addsUp, name) {
		lines = replaced(u.list(f.Section, name), f, value)
	} else {
		lines = []string{value}
	}
	if slices.Equal(lines, s.lines) || slices.Contains(s.rules, f.Rule) && !slices.Contains(addsUp, name) {
		return false
	}
	s.lines = lines
	s.rules = append(s.rules, f.Rule)
	// It becomes a comment, and may quote characters that a comment must not have.
	why := strings.Join(strings.FieldsFunc(f.Reason, unicode.IsControl), " ")
	if !slices.Contains(s.why, why) {
		s.why = append(s.why, why)
	}
	return true
}

// replaced are the lines of a setting that adds up, with value in place of the one
// that the finding is about, or without it, or with value added.
func replaced(list []Directive, f Finding, value string) []string {
	lines := []string{""}
	found := false
	for _, d := range list {
		line := d.Value
		if d.File == f.File && d.Line == f.Line && f.Line > 0 {
			line, found = value, true
		}
		if line != "" {
			lines = append(lines, line)
		}
	}
	if !found && value != "" {
		lines = append(lines, value)
	}
	return lines
}

// applied is u with the drop-in, which it adds to dropIns. A nil cure changes nothing.
func (c *cure) applied(u *Unit, dropIns *[]File) *Unit {
	if c == nil {
		return u
	}
	name := u.Name + ".d/" + CureName
	text := c.text()
	*dropIns = append(*dropIns, File{name, text})
	after := *u
	after.Directives = append(slices.Clone(u.Directives), Parse(u.Name, name, text).Directives...)
	return &after
}

// text is the drop-in, section by section.
func (c *cure) text() string {
	t := new(text)
	fmt.Fprintf(&t.b, "# Written by instar verify --fix, which writes it anew.\n")
	for _, section := range []string{"Unit", "Service", "Socket", "Install"} {
		begun := false
		for _, s := range c.settings {
			if s.section != section {
				continue
			}
			if !begun {
				t.section(section)
			}
			begun = true
			t.because(s.why...)
			for _, line := range s.lines {
				t.set(s.name, line)
			}
		}
	}
	return t.String()
}
