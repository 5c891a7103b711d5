package units

import (
	"errors"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestExecution(t *testing.T) {
	p := properties{
		"ExecStartEx":                   [][]any{{"/opt/web/web", []string{"/opt/web/web", "--port=$$1", "${ONE}x", "$TWO", "$NONE", "end"}, []string{"ignore-failure"}, uint64(0)}},
		"Environment":                   []string{"ONE=1", "TWO=2 3"},
		"EnvironmentFiles":              [][]any{{"/etc/default/web", true}},
		"UnsetEnvironment":              []string{"LANG"},
		"NeedDaemonReload":              true,
		"ActiveEnterTimestampMonotonic": uint64(1_500_000),
		"LimitNOFILE":                   uint64(1024),
		"LimitNOFILESoft":               uint64(512),
		"LimitCORE":                     uint64(math.MaxUint64),
		"LimitCORESoft":                 uint64(math.MaxUint64),
		"WatchdogUSec":                  uint64(3),
		"Restart":                       "always",
		"ReadOnlyPaths":                 []string{"/opt", "/srv"},
		"ExecStartPre":                  [][]any{{"/opt/migrate", []string{"/opt/migrate", "all"}, true, uint64(17)}, {"/bin/true", []string{"/bin/true"}, false, uint64(18)}},
		"SetCredential":                 [][]any{{"b", []byte{2}}, {"a", []byte{1}}},
		"LoadCredential":                [][]any{{"tls", "/etc/tls"}, {"rel", "rel"}},
		"LoadCredentialEncrypted":       [][]any{{"sealed", "/etc/sealed"}},
		"RefreshOnReload":               []string{"extensions", "credentials"},
		"WorkingDirectory":              "!/srv/current",
		"RootDirectory":                 "/srv/root",
	}
	e, err := p.execution()
	if err != nil {
		t.Fatal(err)
	}
	if e.Path != "/opt/web/web" || e.Literal || !e.NeedDaemonReload || e.Started != 1500*time.Millisecond {
		t.Errorf("%+v", e)
	}
	if want := []EnvironmentFile{{"/etc/default/web", true}}; !slices.Equal(e.EnvironmentFiles, want) {
		t.Errorf("EnvironmentFiles: %v", e.EnvironmentFiles)
	}
	if want := map[string]string{
		"LimitNOFILE": "1024 512", "LimitCORE": "infinity", "WatchdogSec": "3", "ReadOnlyPaths": "/opt /srv",
		"ExecStartPre":  `-/opt/migrate all; /bin/true`,
		"SetCredential": "[[a [1]] [b [2]]]", "LoadCredential": "[[rel rel] [tls /etc/tls]]", "LoadCredentialEncrypted": "[[sealed /etc/sealed]]",
		"RootDirectory": "/srv/root",
	}; !maps.Equal(e.Fixed, want) {
		t.Errorf("Fixed: %q, want %q", e.Fixed, want)
	}
	if want := []Credential{{"LoadCredential", "rel", "rel"}, {"LoadCredentialEncrypted", "sealed", "/etc/sealed"}, {"LoadCredential", "tls", "/etc/tls"}}; !slices.Equal(e.Credentials, want) || !e.RefreshesCredentials {
		t.Errorf("Credentials: %v, refreshed %v, want %v", e.Credentials, e.RefreshesCredentials, want)
	}
	if e.Directory != "/srv/current" || !e.DirectoryOptional || !e.OwnRoot {
		t.Errorf("Directory: %q, optional %v, own root %v", e.Directory, e.DirectoryOptional, e.OwnRoot)
	}
	want := []string{"/opt/web/web", "--port=$1", "1x", "2", "3", "end"}
	if got := e.Arguments(append([]string{"ONE=0"}, e.Environment...)); !slices.Equal(got, want) {
		t.Errorf("Arguments: %q, want %q", got, want)
	}
	e.Literal = true
	if got := e.Arguments(e.Environment); !slices.Equal(got, e.Argv) {
		t.Errorf("Arguments, literally: %q", got)
	}

	for _, none := range []any{nil, [][]any{}, [][]any{{"/a"}, {"/b"}}, [][]any{{"/a", []string{"/a"}}}, [][]any{{"", []string{}, []string{}}}, "text"} {
		if _, err := (properties{"ExecStartEx": none}).execution(); err == nil {
			t.Errorf("ExecStartEx %v is a command", none)
		}
	}
}

func TestVariables(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a.env": "A=file\n", "b.env": "B=file\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	e := Execution{
		Environment: []string{"A=unit", "C=unit"},
		EnvironmentFiles: []EnvironmentFile{
			{filepath.Join(dir, "*.env"), false},
			{filepath.Join(dir, "none"), true},
			{filepath.Join(dir, "missing"), false},
			{dir, true},
		},
	}
	var got, errs []string
	for _, v := range e.Variables() {
		got = append(got, v.Assignments...)
		if v.Err != nil {
			errs = append(errs, v.Path+": "+v.Err.Error())
		}
	}
	if want := []string{"A=unit", "C=unit", "A=file", "B=file"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if want := []string{filepath.Join(dir, "missing") + ": no such file or directory", dir + ": is a directory"}; !slices.Equal(errs, want) {
		t.Errorf("unread: %q, want %q", errs, want)
	}

	e.OwnRoot = true
	if v := e.Variables()[1]; v.Err == nil || len(v.Assignments) > 0 {
		t.Errorf("in a root of its own the service reads %v", v)
	}
}

// A test in integration compares with systemd on testdata/environment/odd.env, which
// has much of this.
var environmentFiles = []struct {
	text string
	want []string
}{
	{"", nil},
	{"A=1\nB=2", []string{"A=1", "B=2"}},
	{"# A=1\n; B=2\n\n  C=3 \n", []string{"C=3"}},
	{"A=\nB=x", []string{"A=", "B=x"}},
	{"A = spaced out \t\n", []string{"A=spaced out"}},
	{"A='it is # quoted  '\nB=\"a \\\"b\\\" \\$c \\d\"", []string{"A=it is # quoted  ", `B=a "b" $c \d`}},
	{"A='one'\"two\"three", []string{"A=onetwothree"}},
	{"A='over\ntwo lines'\nB=1", []string{"A=over\ntwo lines", "B=1"}},
	{"A=one\\\ntwo\nB=1", []string{"A=onetwo", "B=1"}},
	{"A=a\\ b\\\\c", []string{`A=a b\c`}},
	{"A=it's\nB=1", []string{"A=it's", "B=1"}},
	{"no assignment\nB=1", []string{"B=1"}},
	{"1A=x\nA-B=x\n=x\nB=1", []string{"B=1"}},
	{"A=\xff\nB=1", []string{"B=1"}},
	{"A=\"open", []string{"A=open"}},
	{"A=x=y", []string{"A=x=y"}},
	{"A=x\r\nB=1\r\n", []string{"A=x", "B=1"}},
}

func TestEnvironmentFile(t *testing.T) {
	for _, c := range environmentFiles {
		if got := parseEnvironmentFile(c.text); !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, want %q", c.text, got, c.want)
		}
	}
}

func FuzzEnvironmentFile(f *testing.F) {
	for _, c := range environmentFiles {
		f.Add(c.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, kv := range parseEnvironmentFile(text) {
			name, value, ok := strings.Cut(kv, "=")
			if !ok || !variableName.MatchString(name) || !utf8.ValidString(value) {
				t.Errorf("%q is no variable", kv)
			}
		}
	})
}

func TestFixedSettings(t *testing.T) {
	all := FixedSettings()
	for _, want := range []string{"LimitNOFILE", "ReadOnlyPaths", "PrivateTmp", "SystemCallFilter", "User", "WatchdogSec"} {
		if !slices.Contains(all, want) {
			t.Errorf("%s is missing", want)
		}
	}
	for _, not := range []string{"ExecStart", "Environment", "MemoryMax", "Restart", "PrivateTmpEx", "LimitNOFILESoft"} {
		if slices.Contains(all, not) {
			t.Errorf("%s is among them", not)
		}
	}
}

func TestExecutionOfNothing(t *testing.T) {
	c, err := Dial(t.Context(), System)
	if errors.Is(err, ErrNoBus) {
		t.Skipf("NOT RUN: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Execution(t.Context(), "there-is-no-such.service"); !errors.Is(err, ErrNotFound) {
		t.Errorf("%v, want ErrNotFound", err)
	}
}
