package manpage

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

func command() *cobra.Command {
	root := &cobra.Command{Use: "tool COMMAND", Short: "A tool", Version: "1.2", Long: `Does things.

  not a request
  .SH neither

'quoted' at the start, and back\slash.

Exit status: 0 done.`}
	root.PersistentFlags().BoolP("loud", "l", false, "be loud")
	sub := &cobra.Command{Use: "make NAME…", Short: "Make things", Example: "  tool make a\n  tool make b", Run: func(*cobra.Command, []string) {}}
	sub.Flags().Int("count", 3, "make `N` of them")
	secret := &cobra.Command{Use: "secret", Short: "Not for people", Hidden: true, Run: sub.Run}
	root.AddCommand(sub, secret)
	return root
}

func TestPages(t *testing.T) {
	pages := Pages(command(), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	if len(pages) != 2 || pages[0].Name != "tool.1" || pages[1].Name != "tool-make.1" {
		t.Fatalf("%v", pages)
	}
	for _, want := range []string{
		`.TH "TOOL" "1" "2026\-01\-02" "tool 1.2" "A tool"`,
		"tool \\- a tool\n",
		"\\&.SH neither\n",
		"\\(aqquoted\\(aq at the start, and back\\eslash.\n",
		".SH \"EXIT STATUS\"\n0 done.\n",
		".BR \"tool\\-make\" \"(1)\"\nMake things.\n",
		`\fB\-l\fR, \fB\-\-loud\fR` + "\nBe loud.\n",
	} {
		if !strings.Contains(pages[0].Text, want) {
			t.Errorf("tool.1 has no %q:\n%s", want, pages[0].Text)
		}
	}
	for _, want := range []string{
		"[OPTION\\|.\\|.\\|.\\|] NAME\\|.\\|.\\|.\\|\n",
		`\fB\-\-count\fR=\fIN\fR` + "\nMake N of them (default: 3).\n",
		".SH \"OPTIONS OF ALL COMMANDS\"\n",
		".nf\ntool make a\ntool make b\n.fi\n",
		"\\fBtool\\fR(1),\n\\fBsystemctl\\fR(1)",
	} {
		if !strings.Contains(pages[1].Text, want) {
			t.Errorf("tool-make.1 has no %q:\n%s", want, pages[1].Text)
		}
	}
	for _, p := range pages {
		if strings.Contains(p.Text, "secret") {
			t.Errorf("%s has the hidden command:\n%s", p.Name, p.Text)
		}
	}
}

// groff, which man(1) formats with, warns of nothing and shows the words.
func TestGroff(t *testing.T) {
	groff, err := exec.LookPath("groff")
	if err != nil {
		t.Skip("NOT RUN: groff is not installed")
	}
	for _, p := range Pages(command(), time.Now()) {
		var said bytes.Buffer
		cmd := exec.Command(groff, "-man", "-Tascii", "-ww", "-P-cbou")
		cmd.Stdin, cmd.Stderr = strings.NewReader(p.Text), &said
		shown, err := cmd.Output()
		if err != nil || said.Len() > 0 {
			t.Errorf("%s: %v\n%s", p.Name, err, said.String())
		}
		if p.Name == "tool.1" && !bytes.Contains(shown, []byte(".SH neither")) {
			t.Errorf("a line is lost:\n%s", shown)
		}
	}
}
