package main

import (
	"fmt"
	"regexp"
	"strings"
)

// counts is how often the watched words stand in a text.
type counts struct {
	words, what, who, nobody, stoppedTo int
}

// word matches a word; an identifier or a path counts as one.
var word = regexp.MustCompile(`[A-Za-z][\w'./-]*`)

func count(s string) counts {
	var c counts
	previous := ""
	for _, w := range word.FindAllString(s, -1) {
		w = strings.TrimRight(strings.ToLower(w), ".'/-")
		c.words++
		switch w {
		case "what":
			c.what++
		case "who", "whom", "whoever":
			c.who++
		case "nobody":
			c.nobody++
		case "to":
			if previous == "stopped" || previous == "stops" {
				c.stoppedTo++
			}
		}
		previous = w
	}
	return c
}

func (c counts) plus(d counts) counts {
	return counts{c.words + d.words, c.what + d.what, c.who + d.who, c.nobody + d.nobody, c.stoppedTo + d.stoppedTo}
}

func (c counts) watched() bool { return c.what+c.who+c.nobody+c.stoppedTo > 0 }

// figures are words per 1,000, except StoppedTo, which is a number.
type figures struct {
	Words     int     `json:"words"`
	What      float64 `json:"what"`
	Who       float64 `json:"who"`
	Nobody    float64 `json:"nobody"`
	StoppedTo int     `json:"stopped_to"`
}

func (c counts) figures() figures {
	per := func(n int) float64 {
		if c.words == 0 {
			return 0
		}
		return float64(n*10000/c.words) / 10
	}
	return figures{c.words, per(c.what), per(c.who), per(c.nobody), c.stoppedTo}
}

var budget = figures{What: 2, Who: 1, Nobody: 1}

// over names each word that stands more often than its budget allows.
func (c counts) over() []string {
	var over []string
	check := func(name string, got, most float64) {
		if got > most {
			over = append(over, fmt.Sprintf("%s %.4g, budget %.4g", name, got, most))
		}
	}
	f := c.figures()
	check("what", f.What, budget.What)
	check("who", f.Who, budget.Who)
	check("nobody", f.Nobody, budget.Nobody)
	check("stopped to", float64(f.StoppedTo), 0)
	return over
}
