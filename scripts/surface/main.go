// Surface measures how large the library is for its users and its readers: exported
// names, requirements, lines, arrows among the files of reload that run against the
// order of its rooms, and the lines of the smallest examples.
//
// It prints each figure with its definition, and all of them as one JSON object on the
// last line. It exits 1 if a figure is above its limit.
//
//	make surface
package main

import (
	"encoding/json"
	"fmt"
	"os"
)

// The limits of the library's growth.
const (
	maxTopLevel = 160
	maxAll      = 380
)

func main() {
	failed, err := run()
	if err != nil {
		fmt.Fprintln(os.Stderr, "surface:", err)
		os.Exit(1)
	}
	if len(failed) > 0 {
		os.Exit(1)
	}
}

// A Report is the last line.
type Report struct {
	Names       map[string]Names `json:"names"`
	TopLevel    int              `json:"top_level"`
	All         int              `json:"all"`
	Direct      []string         `json:"requirements_direct"`
	Indirect    []string         `json:"requirements_indirect"`
	Go          string           `json:"go"`
	Folders     map[string]int   `json:"lines"`
	Lines       int              `json:"library_lines"`
	LinesBefore int              `json:"library_lines_before"`
	Arrows      int              `json:"arrows"`
	ArrowsUp    int              `json:"arrows_up"`
	Unplaced    []string         `json:"files_without_a_room,omitempty"`
	Examples    map[string]int   `json:"examples"`
	Failed      []string         `json:"failed"`
}

func run() (failed []string, err error) {
	var r Report
	packages, err := list()
	if err != nil {
		return nil, err
	}
	if err := r.names(packages); err != nil {
		return nil, err
	}
	if err := r.requirements(); err != nil {
		return nil, err
	}
	if err := r.lines(); err != nil {
		return nil, err
	}
	if err := r.arrows(packages); err != nil {
		return nil, err
	}
	if err := r.examples(); err != nil {
		return nil, err
	}
	for _, f := range r.Failed {
		fmt.Println("fails:", f)
	}
	last := json.NewEncoder(os.Stdout)
	last.SetEscapeHTML(false)
	return r.Failed, last.Encode(r)
}

// limit notes a figure that is above its limit.
func (r *Report) limit(name string, figure, limit int) {
	if figure > limit {
		r.Failed = append(r.Failed, fmt.Sprintf("%s %d > %d", name, figure, limit))
	}
}
