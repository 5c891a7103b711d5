package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/instar-project/instar/reload"
)

// progress tells how far an upgrade is: a line for each step, or, on a terminal, one
// that changes.
type progress struct {
	w    io.Writer
	unit string
	last string
	open bool // the line has no end yet
}

// phase tells of another phase of the service. Serving is none of an upgrade.
func (p *progress) phase(name string) {
	if name != "serving" {
		p.say(name)
	}
}

// draining shows the generations that have not exited yet.
func (p *progress) draining(all []reload.Draining) {
	if len(all) == 0 {
		p.say("the predecessor exits")
		return
	}
	var each []string
	for _, d := range all {
		each = append(each, fmt.Sprintf("generation %d has %s until %s", d.Generation, count(d.Connections, "connection"), d.Deadline.Format(time.TimeOnly)))
	}
	p.say("draining: " + strings.Join(each, "; "))
}

func (p *progress) say(text string) {
	text = plain(text)
	if text == p.last {
		return
	}
	p.last = text
	if _, ok := terminal(p.w); !ok {
		fmt.Fprintf(p.w, "%s: %s\n", p.unit, text)
		return
	}
	fmt.Fprintf(p.w, "\r\x1b[K%s: %s", p.unit, text)
	p.open = true
}

// remark prints a line that stays.
func (p *progress) remark(text string) {
	p.end()
	fmt.Fprintf(p.w, "%s: %s\n", p.unit, plain(text))
}

// end leaves the line, which has served its purpose.
func (p *progress) end() {
	if p.open {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.open = false
	}
}
