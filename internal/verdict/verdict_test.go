package verdict

import (
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

// full has something in every field.
var full = Verdict{
	Attempt:    3,
	From:       Party{Generation: 2, PID: 4702, Build: "v2"},
	To:         Party{Generation: 3, PID: 4703, Build: "v3"},
	Err:        errors.New("the successor ended"),
	Words:      "panic: oh",
	Began:      time.UnixMicro(1_700_000_000_000_000),
	Signalled:  true,
	LeftBehind: []string{"EnvironmentFile=/etc/x: permission denied", "StandardOutput=/var/log/x: no"},
	Killed:     2,
	Steps:      []Step{{"preparing", 5200 * time.Microsecond}, {"taking over", 800 * time.Microsecond}},
}

// A new field of Verdict goes everywhere, or its name is here.
func TestNoFormLosesAField(t *testing.T) {
	for i := range reflect.TypeFor[Verdict]().NumField() {
		if reflect.ValueOf(full).Field(i).IsZero() {
			t.Errorf("full has no %s", reflect.TypeFor[Verdict]().Field(i).Name)
		}
	}
	for form, c := range map[string]struct {
		pass  func(Verdict) Verdict
		loses []string
	}{
		"handover": {throughJSON, []string{"Words", "Signalled"}},
		"bus":      {throughBus, []string{"Words", "Killed"}},
		"journal":  {func(v Verdict) Verdict { return FromJournal(v.Journal()) }, []string{"Signalled"}},
	} {
		got := c.pass(full)
		for i := range reflect.TypeFor[Verdict]().NumField() {
			name := reflect.TypeFor[Verdict]().Field(i).Name
			was, is := reflect.ValueOf(full).Field(i).Interface(), reflect.ValueOf(got).Field(i).Interface()
			if name == "Err" {
				was, is = full.Err.Error(), strings.TrimSuffix(got.Err.Error(), ": "+got.Words)
			}
			if lost := !reflect.DeepEqual(was, is); lost != slices.Contains(c.loses, name) {
				t.Errorf("%s: %s is %v, was %v", form, name, is, was)
			}
		}
		if form == "journal" && got.Reason() != full.Reason() {
			t.Errorf("%s: the reason is %q, was %q", form, got.Reason(), full.Reason())
		}
	}
}

// throughJSON is a handover.
func throughJSON(v Verdict) Verdict {
	text, err := json.Marshal(v.Record())
	if err != nil {
		panic(err)
	}
	var r Record
	if err := json.Unmarshal(text, &r); err != nil {
		panic(err)
	}
	return r.Verdict()
}

// throughBus is godbus.
func throughBus(v Verdict) Verdict {
	r := v.Record()
	r.Killed = 0 // see the signature below
	return r.Verdict()
}

// A signature is for ever.
func TestSignature(t *testing.T) {
	const want = "(t(uus)(uus)bsbtta(st)as)"
	for _, v := range []Verdict{full, {}} {
		if got := dbus.SignatureOf(v.Record()).String(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	text, err := os.ReadFile("../status/introspection.xml")
	if err != nil || !strings.Contains(string(text), `<property name="Verdict" type="`+want+`"`) {
		t.Errorf("internal/status/introspection.xml has another one: %v", err)
	}
}

// The text of a process is fit for the bus.
func TestRecordIsFitForTheBus(t *testing.T) {
	v := full
	v.To.Build, v.Err, v.LeftBehind = "v\xff", errors.New("a\x00b"), []string{"\xff"}
	r := v.Record()
	if r.To.Build != "v\uFFFD" || r.Failure != "a\uFFFDb" || r.LeftBehind[0] != "\uFFFD" {
		t.Errorf("%+v", r)
	}
	v = Verdict{Attempt: 1, From: Party{PID: -1}}
	if r := v.Record(); r.From.PID != 0 || r.BeganUSec != 0 {
		t.Errorf("%+v", r)
	}
}

func TestText(t *testing.T) {
	succeeded := full
	succeeded.Err, succeeded.Words = nil, ""
	plain := succeeded
	plain.LeftBehind = nil
	for _, c := range []struct {
		v        Verdict
		want     string
		level    slog.Level
		priority string
	}{
		{full, "upgrade 3 to generation 3 (v3) failed after 6ms: the successor ended: panic: oh", slog.LevelError, "3"},
		{succeeded, "upgrade 3 to generation 3 (v3) succeeded in 6ms; left behind: EnvironmentFile=/etc/x: permission denied; StandardOutput=/var/log/x: no", slog.LevelWarn, "4"},
		{plain, "upgrade 3 to generation 3 (v3) succeeded in 6ms", slog.LevelInfo, "6"},
	} {
		entry := c.v.Journal()
		if c.v.String() != c.want || c.v.Level() != c.level || entry["PRIORITY"] != c.priority || entry["MESSAGE"] != c.want {
			t.Errorf("%s, %v, %v, want %s", c.v, c.v.Level(), entry, c.want)
		}
	}
}

// The journal has no field that says nothing, and the promised ones even of no process.
func TestJournal(t *testing.T) {
	entry := Verdict{Attempt: 1}.Journal()
	for _, name := range []string{"INSTAR_KILLED", "INSTAR_REASON", "INSTAR_LAST_WORDS", "INSTAR_LEFT_BEHIND"} {
		if value, ok := entry[name]; ok {
			t.Errorf("%s=%s", name, value)
		}
	}
	for _, name := range []string{"INSTAR_TO_PID", "INSTAR_TO_BUILD"} {
		if _, ok := entry[name]; !ok {
			t.Errorf("there is no %s", name)
		}
	}
	if got := full.Journal()["INSTAR_LEFT_BEHIND"]; got != strings.Join(full.LeftBehind, "\n") {
		t.Errorf("INSTAR_LEFT_BEHIND=%s", got)
	}
	// Of a version that wrote less.
	v := FromJournal(map[string]string{"INSTAR_RESULT": "failed", "INSTAR_REASON": "no", "INSTAR_TOOK_USEC": "7", "INSTAR_TO_PID": "what"})
	if v.Reason() != "no" || v.Took() != 7*time.Microsecond || v.To.PID != 0 {
		t.Errorf("%+v", v)
	}
}

func TestWhole(t *testing.T) {
	for _, c := range [][3]string{
		{"", "", ""},
		{"a", "", "a"},
		{"", "b", "b"},
		{"a", "b", "a: b"},
		{"refused: permission denied", "open /x: permission denied", "refused: open /x: permission denied"},
		{"a: b", "b", "a: b"},
	} {
		if got := Whole(c[0], c[1]); got != c[2] {
			t.Errorf("%q and %q are %q, want %q", c[0], c[1], got, c[2])
		}
	}
}

func TestBounded(t *testing.T) {
	got := Bounded(slices.Repeat([]string{"a\nb", strings.Repeat("x", 400)}, 10))
	if len(got) != 17 || got[0] != "a b" || got[1] != strings.Repeat("x", 300)+"…" || got[16] != "and 4 more" {
		t.Errorf("%q", got)
	}
	if got := Bounded(nil); got != nil {
		t.Errorf("%q", got)
	}
}

// Package reload documents the fields of its alias.
func TestFieldsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../reload/verdict.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, of := range []reflect.Type{reflect.TypeFor[Verdict](), reflect.TypeFor[Party](), reflect.TypeFor[Step]()} {
		_, doc, _ := strings.Cut(string(text), "//\ttype "+of.Name()+" struct {")
		doc, _, _ = strings.Cut(doc, "//\t}")
		for i := range of.NumField() {
			if !slices.Contains(strings.FieldsFunc(doc, func(r rune) bool { return strings.ContainsRune("\t\n ,/", r) }), of.Field(i).Name) {
				t.Errorf("%s.%s is not in the documentation", of.Name(), of.Field(i).Name)
			}
		}
	}
}
