package units

import (
	"fmt"
	"strings"
	"time"
)

// text is a unit file in the making.
type text struct{ b strings.Builder }

func (t *text) section(name string) {
	if t.b.Len() > 0 {
		t.b.WriteByte('\n')
	}
	fmt.Fprintf(&t.b, "[%s]\n", name)
}

// because begins a group of settings with why they are there.
func (t *text) because(lines ...string) {
	if !strings.HasSuffix(t.b.String(), "]\n") {
		t.b.WriteByte('\n')
	}
	for _, line := range lines {
		fmt.Fprintf(&t.b, "# %s\n", line)
	}
}

func (t *text) set(name, value string) { fmt.Fprintf(&t.b, "%s=%s\n", name, value) }

func (t *text) String() string { return t.b.String() }

// quote writes argv for ExecStart= and its like, so that each argument arrives
// as it is: see "Command lines" in systemd.service(5).
func quote(argv []string) string {
	plain := strings.NewReplacer(`%`, `%%`, `$`, `$$`)
	words := make([]string, len(argv))
	for i, arg := range argv {
		words[i] = plain.Replace(arg)
	}
	return quoteWords(words)
}

// quoteWord keeps a word together; specifiers and variables in it keep their
// meaning.
func quoteWord(word string) string {
	escaped := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\t", `\t`).Replace(word)
	if word == "" || word == ";" || strings.ContainsAny(word, " \t\"'") {
		return `"` + escaped + `"`
	}
	return escaped
}

func quoteWords(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = quoteWord(w)
	}
	return strings.Join(quoted, " ")
}

// escapeValue writes plain text as a value: '%' would begin a specifier, and a
// backslash at the end would continue the line.
func escapeValue(s string) string {
	s = strings.ReplaceAll(s, "%", "%%")
	if strings.HasSuffix(s, `\`) {
		s += " " // systemd trims it
	}
	return s
}

// span writes a duration as systemd.time(7) has it.
func span(d time.Duration) string {
	switch {
	case d%time.Minute == 0 && d >= 2*time.Minute:
		return fmt.Sprintf("%dmin", d/time.Minute)
	case d%time.Second == 0:
		return fmt.Sprintf("%ds", d/time.Second)
	case d%time.Millisecond == 0:
		return fmt.Sprintf("%dms", d/time.Millisecond)
	}
	return fmt.Sprintf("%dus", max(1, d/time.Microsecond))
}
