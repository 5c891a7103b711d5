package units

import (
	"encoding/json"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

var update = flag.Bool("update", false, "write the findings that the tests see into testdata")

// A ruleCase is a file of testdata/rules. It changes the pair that Write gives,
// once so that the rule is broken and once, in a way that looks much alike, so
// that it is not:
//
//	bad: probation=10s                        options, see options
//	-- bad/web.service.d/override.conf --     a file beside those of Write
//	-- good/-web.socket --                    one of Write's that is not there
//	-- bad//etc/web.env 0600 --               a file of the machine
//	-- bad//srv/web -> /srv/web-1 --          a symlink of the machine
//	-- bad/running --                         how the service runs, a Running in JSON
//	-- findings --                            what Verify says of the bad one
type ruleCase struct {
	options   map[string]Options // by "bad" and "good"
	files     map[string]map[string]string
	root      map[string]fstest.MapFS
	running   map[string]*Running
	findings  string
	unchanged string // all before the findings
}

func readRuleCase(t *testing.T, path string) ruleCase {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c := ruleCase{options: map[string]Options{}, files: map[string]map[string]string{"bad": {}, "good": {}}, root: map[string]fstest.MapFS{"bad": {}, "good": {}}, running: make(map[string]*Running)}
	var file *fstest.MapFile // the one of the machine that the lines belong to; nil: none
	which, name := "", ""
	for line := range strings.Lines(string(content)) {
		if header, ok := strings.CutPrefix(line, "-- "); ok {
			which, name, _ = strings.Cut(strings.TrimSuffix(header, " --\n"), "/")
			file = nil
			switch {
			case which == "findings":
				continue
			case strings.HasPrefix(name, "/"):
				name, file = machineFile(name)
				c.root[which][name] = file
			default:
				c.files[which][name] = ""
			}
			c.unchanged += line
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
			if file != nil {
				file.Data = append(file.Data, line...)
			} else {
				c.files[which][name] += line
			}
		}
		c.unchanged += line
	}
	for kind, root := range c.root {
		if text, ok := c.files[kind]["running"]; ok {
			delete(c.files[kind], "running")
			c.running[kind] = new(Running)
			if err := json.Unmarshal([]byte(text), c.running[kind]); err != nil {
				t.Fatal(err)
			}
		}
		o := c.options[kind]
		o.Root = root
		c.options[kind] = o
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

// machineFile is a file of the machine, from the header of a ruleCase.
func machineFile(header string) (name string, file *fstest.MapFile) {
	name = header
	file = &fstest.MapFile{Mode: 0o644}
	if before, target, ok := strings.Cut(header, " -> "); ok {
		name = before
		file.Mode, file.Data = fs.ModeSymlink, []byte(target)
	}
	if before, mode, ok := strings.Cut(name, " "); ok {
		name = before
		n, _ := strconv.ParseUint(mode, 8, 32)
		file.Mode = fs.FileMode(n)
	}
	return strings.TrimPrefix(name, "/"), file
}

// exampleService is the service that the rules are tried on.
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
		write(t, filepath.Join(folder, name), text)
	}
	return folder
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
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
				pair.Running = c.running[kind]
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

// The line that a rule tells to write makes it pass, in a drop-in of Cure; a cured unit
// needs no further drop-in.
func TestCure(t *testing.T) {
	for _, r := range Rules() {
		c := readRuleCase(t, filepath.Join("testdata", "rules", r.ID+".txt"))
		folder := put(t, c.files["bad"])
		cure := func() ([]File, []Finding) {
			pair, err := Load([]string{folder}, "web.service")
			if err != nil {
				t.Fatal(err)
			}
			pair.Running = c.running["bad"]
			return Cure(pair, c.options["bad"])
		}
		dropIns, rest := cure()
		for _, f := range rest {
			if f.Rule == r.ID && f.Write != "" && !slices.Contains(byHand, r.ID) {
				t.Errorf("%s: with its line written, it still says %v\n%v", r.ID, f, dropIns)
			}
		}
		for _, f := range dropIns {
			write(t, filepath.Join(folder, f.Name), f.Text)
		}
		pair, err := Load([]string{folder}, "web.service")
		if err != nil {
			t.Fatal(err)
		}
		pair.Running = c.running["bad"]
		if found := Verify(pair, c.options["bad"]); len(found) != len(rest) {
			t.Errorf("%s: as files the drop-ins leave %v, Cure says %v\n%v", r.ID, found, rest, dropIns)
		}
		if again, _ := cure(); !slices.Equal(again, dropIns) {
			t.Errorf("%s: the second time it makes\n%v\nand the first time\n%v", r.ID, again, dropIns)
		}
	}
}

// A cure leaves other lines alone.
func TestCureKeeps(t *testing.T) {
	folder := put(t, map[string]string{"web.service.d/override.conf": `[Service]
ExecReload=
ExecReload=/opt/web/before
ExecReload=/bin/kill -HUP $MAINPID
ExecStop=/opt/web/farewell
RestrictAddressFamilies=
RestrictAddressFamilies=AF_INET
KillMode=mixed
`})
	pair, err := Load([]string{folder}, "web.service")
	if err != nil {
		t.Fatal(err)
	}
	dropIns, rest := Cure(pair, Options{})
	if len(rest) > 0 || len(dropIns) != 1 {
		t.Fatalf("%v\n%v", rest, dropIns)
	}
	const want = `# Written by instar verify --fix, which writes it anew.

[Service]
# systemd sends the reload signal itself: a second one causes a second upgrade, or fails the reload because its process has gone
ExecReload=
ExecReload=/opt/web/before

# without AF_UNIX the service can speak neither to systemd nor to its successor
RestrictAddressFamilies=
RestrictAddressFamilies=AF_INET AF_UNIX

# KillMode=mixed kills a predecessor that drains as soon as the main process has ended, instead of letting it finish
KillMode=control-group
`
	if got := dropIns[0]; got != (File{"web.service.d/" + CureName, want}) {
		t.Errorf("%s:\n%s", got.Name, got.Text)
	}
}
