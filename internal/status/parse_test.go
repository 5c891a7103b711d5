package status

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/instar-project/instar/internal/inside"
	"github.com/instar-project/instar/reload"

	"github.com/godbus/dbus/v5"
)

func TestName(t *testing.T) {
	for unit, want := range map[string]string{
		"web.service":          NamePrefix + "web",
		"web":                  NamePrefix + "web",
		"web@1.service":        NamePrefix + "web_401",
		"2.service":            NamePrefix + "_32",
		"a_b-c.service":        NamePrefix + "a_5fb_2dc",
		`dev\x2dweb.x.service`: NamePrefix + "dev_5cx2dweb_2ex",
	} {
		got, err := Name(unit)
		if err != nil || got != want {
			t.Errorf("Name(%q) = %q, %v; want %q", unit, got, err, want)
		}
		if err := checkName(got); err != nil {
			t.Error(err)
		}
		if back, ok := UnitOf(got); !ok || back != strings.TrimSuffix(unit, ".service")+".service" {
			t.Errorf("UnitOf(%q) = %q, %v", got, back, ok)
		}
	}
	for _, name := range []string{"", "org.example.web", NamePrefix, NamePrefix + "a_zz", NamePrefix + "a_2", NamePrefix + "a-b", NamePrefix + "a_4A", NamePrefix + "a_62"} {
		if unit, ok := UnitOf(name); ok {
			t.Errorf("UnitOf(%q) = %q", name, unit)
		}
	}
	for _, unit := range []string{"", ".service", strings.Repeat("a", 255)} {
		if got, err := Name(unit); !errors.Is(err, ErrNoName) {
			t.Errorf("Name(%q) = %q, %v", unit, got, err)
		}
	}
	for _, name := range []string{"", "a", ".a", "a.", "a..b", "a.1", "a.b c", ":1.1", "a.ü", strings.Repeat("a.", 150) + "a"} {
		if err := checkName(name); !errors.Is(err, ErrNoName) {
			t.Errorf("checkName(%q) = %v", name, err)
		}
	}
}

func FuzzName(f *testing.F) {
	f.Add("web@1.service")
	f.Fuzz(func(t *testing.T, unit string) {
		name, err := Name(unit)
		if err == nil {
			err = checkName(name)
			if back, ok := UnitOf(name); !ok || back != strings.TrimSuffix(unit, ".service")+".service" {
				t.Errorf("%q: %q, %v", unit, back, ok)
			}
		} else if errors.Is(err, ErrNoName) {
			err = nil
		}
		if err != nil {
			t.Error(err)
		}
	})
}

func TestParseCgroup(t *testing.T) {
	for _, c := range []struct {
		text, unit string
		user       bool
	}{
		{"0::/system.slice/web.service\n", "web.service", false},
		{"0::/system.slice/system-web.slice/web@1.service/workers/a.service\n", "web@1.service", false},
		{"0::/user.slice/user-1000.slice/user@1000.service/app.slice/web.service\n", "web.service", true},
		{"0::/user.slice/user-1000.slice/user@1000.service/init.scope\n", "", false},
		{"0::/user.slice/user-1000.slice/session-1.scope\n", "", false},
		{"0::/\n", "", false},
		{"0::/system.slice/_notify.service\n", "notify.service", false},
		{"12:pids:/x.service\n1:name=systemd:/system.slice/web.service\n0::/\n", "web.service", false},
		{"", "", false},
		{"nonsense", "", false},
	} {
		unit, user, ok := parseCgroup(c.text)
		if ok != (c.unit != "") || unit != c.unit || ok && user != c.user {
			t.Errorf("%q: %q, %v, %v", c.text, unit, user, ok)
		}
	}
}

func FuzzParseCgroup(f *testing.F) {
	f.Add("0::/user.slice/user-1000.slice/user@1000.service/app.slice/web.service\n")
	f.Fuzz(func(t *testing.T, text string) {
		unit, _, ok := parseCgroup(text)
		if ok && (!strings.HasSuffix(unit, ".service") || strings.ContainsAny(unit, "/\n")) {
			t.Errorf("%q", unit)
		}
	})
}

// dbus-daemon reads the output of Policy, whatever the user's name.
func TestPolicy(t *testing.T) {
	text, err := Policy(NamePrefix+"web", `we"b<`)
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Policies []struct {
			User string `xml:"user,attr"`
		} `xml:"policy"`
	}
	if err := xml.Unmarshal([]byte(text), &config); err != nil {
		t.Fatal(err)
	}
	if len(config.Policies) != 3 || config.Policies[1].User != "root" || config.Policies[2].User != `we"b<` {
		t.Errorf("%+v", config)
	}
	for _, wrong := range [][2]string{{"web", "root"}, {NamePrefix + "web", ""}, {NamePrefix + "web", "a\nb"}} {
		if _, err := Policy(wrong[0], wrong[1]); err == nil {
			t.Errorf("Policy(%q) is no error", wrong)
		}
	}

	text, err = Policy(testName, "nobody")
	if err != nil {
		t.Fatal(err)
	}
	b := startBus(t, "")
	b.stop()
	part := filepath.Join(t.TempDir(), "part.conf")
	if err := os.WriteFile(part, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(b.config)
	if err != nil {
		t.Fatal(err)
	}
	whole = []byte(strings.Replace(string(whole), "</busconfig>", "<include>"+part+"</include></busconfig>", 1))
	if err := os.WriteFile(b.config, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	b.start()
	if os.Getuid() != 0 {
		return // the policy is for root
	}
	b.startUnit("v1")
	serving(t, b.client(), 1) // the name was allowed; the rights of others are tested on a real system bus
}

func TestAnswers(t *testing.T) {
	started := time.Now()
	took := []reload.Step{{Phase: "preparing", Took: time.Second}}
	verdict := func(from int, age time.Duration, signalled bool, err error) reload.Verdict {
		return reload.Verdict{Attempt: 3, From: reload.Party{PID: from}, Began: started.Add(-age - time.Second), Steps: took, Signalled: signalled, Err: err}
	}
	const recently, justNow, long, later = time.Second / 2, time.Millisecond, time.Hour, -time.Second
	failed := errors.New("failed")
	for what, c := range map[string]struct {
		v        reload.Verdict
		main     int
		attempts int
		reported int
		want     fit
	}{
		"none yet":                      {reload.Verdict{}, 7, 0, 0, notYet},
		"none yet, the first under way": {reload.Verdict{}, 7, 1, 0, notYet},
		"started anew":                  {reload.Verdict{}, 8, 0, 0, never},
		"somebody else's":               {verdict(6, later, true, failed), 7, 3, 0, notYet},
		"failed since":                  {verdict(7, later, true, failed), 7, 3, 2, surely},
		"failed already":                {verdict(7, justNow, true, failed), 7, 3, 2, perhaps},
		"failed before":                 {verdict(7, recently, true, failed), 7, 3, 2, perhaps},
		"failed, another under way":     {verdict(7, later, true, failed), 7, 4, 2, notYet},
		"failed, reported":              {verdict(7, later, true, failed), 7, 3, 3, notYet},
		"failed, no signal":             {verdict(7, later, false, failed), 7, 3, 2, notYet},
		"failed, never reported":        {verdict(7, long, true, failed), 7, 3, 2, notYet},
		"handed over":                   {verdict(7, later, false, nil), 8, 3, 2, surely},
		"handed over already":           {verdict(7, justNow, false, nil), 8, 3, 2, perhaps},
		"taken back":                    {verdict(7, later, true, nil), 7, 3, 2, surely},
		"taken back long ago":           {verdict(7, long, true, nil), 7, 3, 2, notYet},
		"passed on":                     {verdict(8, later, true, failed), 8, 3, 0, surely},
		"passed on, not begun":          {verdict(6, long, true, failed), 8, 3, 0, notYet},
	} {
		if got := answers(State{Verdict: c.v, MainPID: c.main, Attempts: c.attempts, Reported: c.reported}, 7, started); got != c.want {
			t.Errorf("%s: %v, want %v", what, got, c.want)
		}
	}
}

// A success that an older generation has undone is a failure, and no other is.
func TestJudge(t *testing.T) {
	good := reload.Verdict{Attempt: 2, To: reload.Party{Generation: 3}}
	for _, c := range []struct {
		now State
		v   reload.Verdict
		bad bool
	}{
		{State{MainPID: 7, Generation: 3}, good, false},
		{State{MainPID: 7, Generation: 4}, good, false},
		{State{MainPID: 7, Generation: 2}, good, true},
		{State{MainPID: 0, Generation: 2}, good, false}, // it drains: the successor has not taken the name yet
		{State{}, good, false},
		{State{MainPID: 7, Generation: 1}, reload.Verdict{}, false},
	} {
		if got := c.now.judge(c.v); (got.Err != nil) != c.bad {
			t.Errorf("%+v: %v", c.now, got)
		}
	}
}

// A service of another version shows its own properties: recorded answers to
// GetAll, as busctl --json=short prints them.
func TestStateOfOtherVersions(t *testing.T) {
	first := time.UnixMicro(1764076800000000)
	released := State{
		Unit: "web.service", Generation: 3, Phase: "serving", Build: "v3", Version: "(devel)", Revision: "f151828", MainPID: 4703,
		Connections: 40, Attempts: 3, NotLasting: 1, StoreUsed: 3, StoreMax: 64, Reported: 2,
		Draining: []reload.Draining{{Party: reload.Party{Generation: 2, PID: 4702, Build: "v2"}, Connections: 7, Deadline: first.Add(time.Minute)}},
		Sockets:  []inside.Socket{{Name: "http", Network: "tcp", Address: "[::]:8080"}},
		Verdict: reload.Verdict{
			Attempt: 3, From: reload.Party{Generation: 2, PID: 4702, Build: "v2"}, To: reload.Party{Generation: 3, PID: 4703, Build: "v3"},
			Began: first, Steps: []reload.Step{{Phase: "preparing", Took: 1500 * time.Microsecond}},
		},
		UnitProblems: []string{"KillMode=process"}, RestartNeeded: []string{"LimitNOFILE="},
	}
	later := released
	later.Since, later.Verdict.LeftBehind = first.Add(time.Second), []string{"/srv/app"}
	older := State{Unit: "web.service", Generation: 1, Phase: "serving", MainPID: 4701}
	for file, want := range map[string]State{"f151828": released, "later": later, "older": older} {
		got, err := stateFromWire(recorded(t, file))
		if len(got.Verdict.LeftBehind) == 0 {
			got.Verdict.LeftBehind = nil
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v\n%+v\nwant\n%+v", file, err, got, want)
		}
	}
	wrong := recorded(t, "f151828")
	wrong["Verdict"] = dbus.MakeVariant("succeeded")
	if _, err := stateFromWire(wrong); err == nil || !strings.Contains(err.Error(), "the property Verdict") {
		t.Errorf("a verdict that is none: %v", err)
	}
}

// recorded is an answer to GetAll in testdata.
func recorded(t *testing.T, file string) map[string]dbus.Variant {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "getall", file+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Data []map[string]struct {
			Type string
			Data any
		}
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		t.Fatal(err)
	}
	all := make(map[string]dbus.Variant)
	for name, v := range answer.Data[0] {
		signature, err := dbus.ParseSignature(v.Type)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = dbus.MakeVariantWithSignature(native(v.Type, v.Data), signature)
	}
	return all
}

// native is a value as godbus reads it off the bus. Every number of a struct is one
// that fits where it goes.
func native(signature string, v any) any {
	switch {
	case signature == "u":
		return uint32(v.(float64))
	case signature == "t":
		return uint64(v.(float64))
	case signature == "as":
		all := []string{}
		for _, s := range v.([]any) {
			all = append(all, s.(string))
		}
		return all
	case strings.HasPrefix(signature, "a("):
		all := [][]any{}
		for _, one := range v.([]any) {
			all = append(all, native(signature[1:], one).([]any))
		}
		return all
	case signature[0] == '(':
		var fields []any
		rest := signature[1 : len(signature)-1]
		for _, one := range v.([]any) {
			end := 1
			if strings.HasPrefix(rest, "as") {
				end = 2
			} else if strings.HasPrefix(rest, "a(") || rest[0] == '(' {
				end = strings.IndexByte(rest, ')') + 1
			}
			fields = append(fields, native(rest[:end], one))
			rest = rest[end:]
		}
		return fields
	}
	return v
}
