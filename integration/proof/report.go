package proof

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"charm.land/lipgloss/v2"
	"charm.land/lipgloss/v2/table"
)

// Lines are for people to read; in JSON none is [].
type Lines []string

// Add adds a line.
func (l *Lines) Add(format string, args ...any) { *l = append(*l, fmt.Sprintf(format, args...)) }

// Expect adds a line unless ok.
func (l *Lines) Expect(ok bool, format string, args ...any) {
	if !ok {
		l.Add(format, args...)
	}
}

// MarshalJSON is for encoding/json.
func (l Lines) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	err := plain(&b).Encode(append([]string{}, l...))
	return b.Bytes(), err
}

// plain writes < as <: a report is for people, not for a web page.
func plain(w io.Writer) *json.Encoder {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e
}

// ErrFailed is the end of a proof whose report has problems.
var ErrFailed = errors.New("not all was as it should be: see the report")

// Conclude writes the problems, and the report as the last line. Its error is ErrFailed if
// there are problems.
func Conclude(w io.Writer, report any, problems Lines) error {
	for _, p := range problems {
		fmt.Fprintf(w, "Not as it should be: %s.\n", p)
	}
	if err := plain(w).Encode(report); err != nil {
		return err
	}
	if len(problems) > 0 {
		return ErrFailed
	}
	return nil
}

// Table is a table without colours, which suits a log as well.
func Table(headers ...string) *table.Table {
	return table.New().Border(lipgloss.RoundedBorder()).StyleFunc(func(int, int) lipgloss.Style {
		return lipgloss.NewStyle().Padding(0, 1)
	}).Headers(headers...)
}
