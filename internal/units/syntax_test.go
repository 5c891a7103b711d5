package units

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/coreos/go-systemd/v22/unit"
)

func TestParse(t *testing.T) {
	u := Parse("web.service", "f", strings.Join([]string{
		"\ufeff# comment",
		"[Unit]",
		"  Description = one \\",
		"# not the end of it",
		"  two",
		"",
		"[Service]\r",
		"; comment",
		"ExecStart=/opt/web/web \\",
		"  --root=/srv",
		`Environment=A=b\\`,
		"KillMode=",
		"X",
		"=y",
		"[",
		"Type=exec\xff",
		"Restart=no\\",
	}, "\n"))
	want := []Directive{
		{"Unit", "Description", "one    two", "f", 3},
		{"Service", "ExecStart", "/opt/web/web    --root=/srv", "f", 9},
		{"Service", "Environment", `A=b\\`, "f", 11},
		{"Service", "KillMode", "", "f", 12},
		{"Service", "Restart", "no", "f", 17},
	}
	if got, want := fmt.Sprint(u.Directives), fmt.Sprint(want); got != want {
		t.Errorf("directives are\n%s\nwant\n%s", got, want)
	}
	var lines []int
	for _, f := range u.Problems {
		lines = append(lines, f.Line)
	}
	if got := fmt.Sprint(lines); got != "[13 14 15 16]" {
		t.Errorf("problems in the lines %s: %v", got, u.Problems)
	}
}

// Parse reads every text alike that go-systemd reads without an error, except where
// the two differ on purpose: go-systemd keeps a continuation as it is, does not
// know comments within it, and ends a section's name at the first ']'.
func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/written/*")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add("[A]\nB=c\\\n#d\n e\n[F\n")
	f.Fuzz(func(t *testing.T, text string) {
		u := Parse("x.service", "f", text)
		for _, d := range u.Directives {
			if d.Section == "" || d.Name == "" || d.Line < 1 || !utf8.ValidString(d.Value) || strings.ContainsAny(d.Value, "\n\x00") {
				t.Errorf("directive %+v", d)
			}
		}
		for _, p := range u.Problems {
			if p.Line < 1 || p.Reason == "" {
				t.Errorf("problem %+v", p)
			}
		}
		if len(u.Problems) > 0 || strings.ContainsAny(text, "\\\r\v\f\u0085\u00a0\ufeff") {
			return
		}
		theirs, err := unit.DeserializeOptions(strings.NewReader(text))
		if err != nil || len(theirs) != len(u.Directives) {
			return
		}
		for i, o := range theirs {
			if d := u.Directives[i]; o.Name == d.Name && o.Section == d.Section && strings.TrimSpace(o.Value) != strings.TrimSpace(d.Value) {
				t.Errorf("%s= is %q, go-systemd reads %q", d.Name, d.Value, o.Value)
			}
		}
	})
}

// Verify takes whatever Parse makes of any text.
func FuzzVerify(f *testing.F) {
	cases, _ := filepath.Glob("testdata/rules/*.txt")
	for _, file := range cases {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text), string(text))
	}
	f.Fuzz(func(t *testing.T, service, socket string) {
		pair := Pair{Service: Parse("web.service", "web.service", service), Sockets: []*Unit{Parse("web.socket", "web.socket", socket)}}
		for _, finding := range Verify(pair, Options{Store: 1, Probation: 1, Systemd: Lowest}) {
			if s := finding.String(); finding.Reason == "" || finding.Rule == "" || strings.Contains(s, "\n") {
				t.Errorf("finding %q", s)
			}
		}
	})
}
