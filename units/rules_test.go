package units

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write what the tests see into testdata")

// A ruleCase is a file of testdata/rules. It changes the pair that Write gives,
// once so that the rule is broken and once, in a way that looks much alike, so
// that it is not:
//
//	bad: probation=10s                        options, see options
//	-- bad/web.service.d/override.conf --     a file beside those of Write
//	-- good/-web.socket --                    one of Write's that is not there
//	-- findings --                            what Verify says of the bad one
type ruleCase struct {
	options   map[string]Options // by "bad" and "good"
	files     map[string]map[string]string
	findings  string
	unchanged string // all before the findings
}

func readRuleCase(t *testing.T, file string) ruleCase {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	c := ruleCase{options: map[string]Options{}, files: map[string]map[string]string{"bad": {}, "good": {}}}
	which, name := "", ""
	for line := range strings.Lines(string(content)) {
		if header, ok := strings.CutPrefix(line, "-- "); ok {
			which, name, _ = strings.Cut(strings.TrimSuffix(header, " --\n"), "/")
			if which != "findings" {
				c.files[which][name] = ""
				c.unchanged += line
			}
			continue
		}
		switch which {
		case "":
			kind, o, _ := strings.Cut(line, ": ")
			c.options[kind] = options(t, o)
		case "findings":
			c.findings += line
			continue
		default:
			c.files[which][name] += line
		}
		c.unchanged += line
	}
	return c
}

// options reads "store=64 drain=9s".
func options(t *testing.T, text string) (o Options) {
	t.Helper()
	for _, word := range strings.Fields(text) {
		key, value, _ := strings.Cut(word, "=")
		number, _ := strconv.Atoi(value)
		duration, _ := time.ParseDuration(value)
		switch key {
		case "store":
			o.Store = number
		case "systemd":
			o.Systemd = number
		case "drain":
			o.DrainTimeout = duration
		case "probation":
			o.Probation = duration
		default:
			t.Fatalf("no option %q", word)
		}
	}
	return o
}

// exampleService is what the rules are tried on.
var exampleService = Service{
	Name:       "web",
	ExecStart:  []string{"/opt/web/web"},
	ExecReload: []string{"/usr/bin/instar", "reload-verdict", "--phase=reload", "web.service"},
	Sockets:    []Socket{{Name: "http", Listen: []Listen{Stream("8080")}}},
}

// put writes the files of Write, changed, into a folder of its own.
func put(t *testing.T, changes map[string]string) (folder string) {
	t.Helper()
	folder = t.TempDir()
	files, err := Write(exampleService)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]string)
	for _, f := range files {
		all[f.Name] = f.Text
	}
	for name, text := range changes {
		if gone, ok := strings.CutPrefix(name, "-"); ok {
			delete(all, gone)
			continue
		}
		all[name] = text
	}
	for name, text := range all {
		file := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// Every rule has a pair that breaks it, with exactly the findings that the case
// says, and one that passes with none at all.
func TestRules(t *testing.T) {
	ids := []string{syntaxRule}
	for _, r := range Rules() {
		ids = append(ids, r.ID)
	}
	for _, id := range ids {
		t.Run(id, func(t *testing.T) {
			file := filepath.Join("testdata", "rules", id+".txt")
			c := readRuleCase(t, file)
			verify := func(kind string) []Finding {
				folder := put(t, c.files[kind])
				pair, err := Load([]string{folder}, "web.service")
				if err != nil {
					t.Fatal(err)
				}
				findings := Verify(pair, c.options[kind])
				for i := range findings {
					findings[i].File = strings.TrimPrefix(findings[i].File, folder+"/")
				}
				return findings
			}
			if findings := verify("good"); len(findings) > 0 {
				t.Errorf("the pair that should pass: %v", findings)
			}
			bad := verify("bad")
			if !slices.ContainsFunc(bad, func(f Finding) bool { return f.Rule == id }) {
				t.Errorf("the pair that breaks the rule passes it: %v", bad)
			}
			got := ""
			for _, f := range bad {
				got += f.String() + "\n"
			}
			if *update {
				if err := os.WriteFile(file, []byte(c.unchanged+"-- findings --\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != c.findings {
				t.Errorf("findings are\n%swant\n%s", got, c.findings)
			}
		})
	}
}

// A case without a rule tests nothing.
func TestNoCaseWithoutRule(t *testing.T) {
	files, err := filepath.Glob("testdata/rules/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	if want := len(Rules()) + 1; len(files) != want {
		t.Errorf("%d cases for %d rules", len(files), want)
	}
}

// What a rule tells to write is what makes it pass.
func TestWriteInstead(t *testing.T) {
	for _, r := range Rules() {
		c := readRuleCase(t, filepath.Join("testdata", "rules", r.ID+".txt"))
		folder := put(t, c.files["bad"])
		before, err := Load([]string{folder}, "web.service")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range Verify(before, c.options["bad"]) {
			if f.Rule != r.ID || f.Write == "" {
				continue
			}
			// First taken back, for settings that add up.
			name, value, _ := strings.Cut(f.Write, "=")
			text := fmt.Sprintf("[%s]\n%s=\n%s=%s\n", f.Section, name, name, value)
			if f.Section == "" {
				t.Errorf("%s: which section does %s go into?", r.ID, f.Write)
			}
			dropIn := filepath.Join(folder, f.Unit+".d", "zz.conf")
			if err := os.MkdirAll(filepath.Dir(dropIn), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(dropIn, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		after, err := Load([]string{folder}, "web.service")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range Verify(after, c.options["bad"]) {
			if f.Rule == r.ID && f.Write != "" {
				t.Errorf("%s: written what it says, it still says %v", r.ID, f)
			}
		}
	}
}
