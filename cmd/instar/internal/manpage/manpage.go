package manpage

import (
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Page is a man page: the name of its file, such as "instar-init.1", and its text.
type Page struct{ Name, Text string }

// Pages are the pages of a command and of its commands that are not hidden, of
// section 1. date is that of the source.
func Pages(cmd *cobra.Command, date time.Time) []Page {
	pages := []Page{{name(cmd) + ".1", render(cmd, date)}}
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() && sub.Name() != "help" {
			pages = append(pages, Page{name(sub) + ".1", render(sub, date)})
		}
	}
	return pages
}

// name is the name of a command's page: "instar-init".
func name(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

func render(c *cobra.Command, date time.Time) string {
	w := new(writer)
	root := c.Root()
	w.macro("TH", strings.ToUpper(name(c)), "1", date.Format(time.DateOnly), strings.TrimSpace(root.Name()+" "+root.Version), root.Short)
	w.macro("SH", "NAME")
	w.line(name(c) + " \\- " + escape(lowerFirst(c.Short)))
	w.macro("SH", "SYNOPSIS")
	w.macro("B", c.CommandPath())
	w.line(escape(arguments(c)))

	description, exit := description(c)
	w.macro("SH", "DESCRIPTION")
	w.paragraphs(description)
	w.commands(c)
	own, inherited := c.NonInheritedFlags(), c.InheritedFlags()
	w.flags("OPTIONS", own)
	w.flags("OPTIONS OF ALL COMMANDS", inherited)
	if len(exit) > 0 {
		w.macro("SH", "EXIT STATUS")
		w.paragraphs(exit)
	}
	if c.Example != "" {
		w.macro("SH", "EXAMPLES")
		w.verbatim(strings.Split(strings.Trim(c.Example, "\n"), "\n"))
	}
	w.macro("SH", "SEE ALSO")
	w.seeAlso(c)
	return w.String()
}

// arguments is the synopsis of a command without its name.
func arguments(c *cobra.Command) string {
	_, rest, _ := strings.Cut(c.Use, " ")
	if c.HasAvailableFlags() && !strings.Contains(rest, "[flags]") {
		rest = strings.TrimSpace("[OPTION…] " + rest)
	}
	return strings.ReplaceAll(rest, "[flags]", "[OPTION…]")
}

// description is the long text of a command in paragraphs; the one on its exit
// status stands apart.
func description(c *cobra.Command) (text, exit []string) {
	long := c.Long
	if long == "" {
		long = c.Short + "."
	}
	for paragraph := range strings.SplitSeq(strings.Trim(long, "\n"), "\n\n") {
		if rest, ok := strings.CutPrefix(paragraph, "Exit status: "); ok {
			exit = append(exit, upperFirst(rest))
			continue
		}
		text = append(text, paragraph)
	}
	return text, exit
}

// writer writes man(7).
type writer struct{ strings.Builder }

// line writes a line of text that is escaped already.
func (w *writer) line(s string) {
	if s != "" {
		w.WriteString(s + "\n")
	}
}

// macro writes a macro and its arguments, which it escapes.
func (w *writer) macro(name string, args ...string) {
	w.WriteString("." + name)
	for _, a := range args {
		w.WriteString(` "` + strings.ReplaceAll(escape(a), `"`, `\(dq`) + `"`)
	}
	w.WriteString("\n")
}

// paragraphs writes text; lines that are indented stay lines.
func (w *writer) paragraphs(paragraphs []string) {
	for i, p := range paragraphs {
		if i > 0 {
			w.macro("PP")
		}
		var indented []string
		for line := range strings.SplitSeq(p, "\n") {
			if strings.HasPrefix(line, "  ") {
				indented = append(indented, line)
				continue
			}
			w.verbatim(indented)
			indented = nil
			w.line(escape(line))
		}
		w.verbatim(indented)
	}
}

// verbatim writes lines as they are, further to the right.
func (w *writer) verbatim(lines []string) {
	if len(lines) == 0 {
		return
	}
	w.macro("RS", "4")
	w.macro("nf")
	for _, line := range lines {
		w.line(escape(strings.TrimPrefix(line, "  ")))
	}
	w.macro("fi")
	w.macro("RE")
}

// commands lists the commands of a command: those that have a page by its name.
func (w *writer) commands(c *cobra.Command) {
	if !c.HasAvailableSubCommands() {
		return
	}
	w.macro("SH", "COMMANDS")
	for _, sub := range c.Commands() {
		if !sub.IsAvailableCommand() || sub.Name() == "help" {
			continue
		}
		w.macro("TP")
		if c.HasParent() {
			w.macro("B", sub.Name())
		} else {
			w.macro("BR", name(sub), "(1)")
		}
		w.line(escape(sub.Short) + ".")
	}
}

func (w *writer) flags(section string, flags *pflag.FlagSet) {
	if !flags.HasAvailableFlags() {
		return
	}
	w.macro("SH", section)
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		w.macro("TP")
		head := `\fB\-\-` + escape(f.Name) + `\fR`
		if f.Shorthand != "" {
			head = `\fB\-` + escape(f.Shorthand) + `\fR, ` + head
		}
		if value != "" {
			head += `=\fI` + escape(value) + `\fR`
		}
		w.line(head)
		usage = upperFirst(usage)
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "0" && f.DefValue != "0s" && f.DefValue != "[]" && !strings.Contains(usage, "default") {
			usage += " (default: " + f.DefValue + ")"
		}
		w.line(escape(usage) + ".")
	})
}

// seeAlso names the pages beside a command's own, and those of systemd that all
// commands are about.
func (w *writer) seeAlso(c *cobra.Command) {
	var pages []string
	if c.HasParent() {
		pages = append(pages, name(c.Parent()))
	}
	for _, r := range c.Root().Commands() {
		if r != c && r.IsAvailableCommand() && r.Name() != "help" {
			pages = append(pages, name(r))
		}
	}
	slices.Sort(pages)
	var refs []string
	for _, p := range pages {
		refs = append(refs, `\fB`+escape(p)+`\fR(1)`)
	}
	for _, p := range []string{"systemctl(1)", "systemd.service(5)", "systemd.socket(5)"} {
		title, section, _ := strings.Cut(p, "(")
		refs = append(refs, `\fB`+escape(title)+`\fR(`+section)
	}
	w.line(strings.Join(refs, ",\n"))
}

// escape makes text of s that no formatter takes for a request or an escape, with
// hyphens that can be copied.
func escape(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "…", `\|.\|.\|.\|`, "`", `\(ga`, "'", `\(aq`).Replace(s)
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	return s
}

func lowerFirst(s string) string { return changeFirst(s, strings.ToLower) }
func upperFirst(s string) string { return changeFirst(s, strings.ToUpper) }

func changeFirst(s string, change func(string) string) string {
	if s == "" {
		return s
	}
	return change(s[:1]) + s[1:]
}
