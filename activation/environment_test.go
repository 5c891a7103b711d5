package activation

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/instar-project/instar/internal/fdname"
)

func lookupIn(env map[string]string) func(string) (string, bool) {
	return func(key string) (string, bool) {
		value, set := env[key]
		return value, set
	}
}

// ownPID and ownID are the process that the tables below are about.
const (
	ownPID = 4711
	ownID  = 987654321
)

func TestParse(t *testing.T) {
	long := strings.Repeat("n", 255)
	tests := []struct {
		what string
		env  map[string]string
		want environment
	}{
		{"nothing set", nil, environment{}},
		{"one name", map[string]string{"LISTEN_PID": "4711", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "http"},
			environment{1, []string{"http"}}},
		{"names repeat, order is kept", map[string]string{"LISTEN_PID": "4711", "LISTEN_FDS": "3", "LISTEN_FDNAMES": "b:a:b"},
			environment{3, []string{"b", "a", "b"}}},
		{"no names at all", map[string]string{"LISTEN_PID": "4711", "LISTEN_FDS": "2"},
			environment{2, []string{"unknown", "unknown"}}},
		{"empty names", map[string]string{"LISTEN_PID": "4711", "LISTEN_FDS": "3", "LISTEN_FDNAMES": "a::"},
			environment{3, []string{"a", "unknown", "unknown"}}},
		{"a space and punctuation are valid", map[string]string{"LISTEN_PID": "4711", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "a b=~"},
			environment{1, []string{"a b=~"}}},
		{"the longest name", map[string]string{"LISTEN_PID": "4711", "LISTEN_FDS": "1", "LISTEN_FDNAMES": long},
			environment{1, []string{long}}},
		{"right pidfd", map[string]string{"LISTEN_PID": "4711", "LISTEN_PIDFDID": "987654321", "LISTEN_FDS": "1"},
			environment{1, []string{"unknown"}}},
		{"pidfd of another", map[string]string{"LISTEN_PID": "4711", "LISTEN_PIDFDID": "987654322", "LISTEN_FDS": "1"},
			environment{}},
		{"PID of another, the rest is not looked at", map[string]string{"LISTEN_PID": "4712", "LISTEN_PIDFDID": "?", "LISTEN_FDS": "?"},
			environment{}},
		{"no PID, the rest is not looked at", map[string]string{"LISTEN_FDS": "?"}, environment{}},
		{"no count", map[string]string{"LISTEN_PID": "4711", "LISTEN_FDNAMES": "http"}, environment{}},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			got, err := parse(lookupIn(tt.env), ownPID, ownID)
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("Parse = %+v, %v; want %+v", got, err, tt.want)
			}
		})
	}
}

func TestParseWithoutPidfs(t *testing.T) {
	env := map[string]string{"LISTEN_PID": "4711", "LISTEN_PIDFDID": "5", "LISTEN_FDS": "1"}
	got, err := parse(lookupIn(env), ownPID, 0)
	if err != nil || got.FDs != 1 {
		t.Errorf("Parse = %+v, %v; want the unknown pidfd to be left out of the comparison", got, err)
	}
}

func TestParseMalformed(t *testing.T) {
	const tail = "; the starter of this process must set it as sd_listen_fds(3) says"
	tests := []struct {
		variable, value string // instead of, or added to, a good environment
		want            string
	}{
		{"LISTEN_PID", "", `LISTEN_PID="": not a decimal number from 1 to 2147483647`},
		{"LISTEN_PID", "self", `LISTEN_PID="self": not a decimal number from 1 to 2147483647`},
		{"LISTEN_PID", "0", `LISTEN_PID="0": not a decimal number from 1 to 2147483647`},
		{"LISTEN_PID", "-4711", `LISTEN_PID="-4711": not a decimal number from 1 to 2147483647`},
		{"LISTEN_PID", "+4711", `LISTEN_PID="+4711": not a decimal number from 1 to 2147483647`},
		{"LISTEN_PID", "04711", `LISTEN_PID="04711": not a decimal number from 1 to 2147483647`},
		{"LISTEN_PID", " 4711", `LISTEN_PID=" 4711": not a decimal number from 1 to 2147483647`},
		{"LISTEN_PID", "4711\n", `LISTEN_PID="4711\n": not a decimal number from 1 to 2147483647`},
		{"LISTEN_PID", "2147483648", `LISTEN_PID="2147483648": not a decimal number from 1 to 2147483647`},
		{"LISTEN_PIDFDID", "", `LISTEN_PIDFDID="": not a decimal number from 1 to 18446744073709551615`},
		{"LISTEN_PIDFDID", "0x10", `LISTEN_PIDFDID="0x10": not a decimal number from 1 to 18446744073709551615`},
		{"LISTEN_PIDFDID", "18446744073709551616", `LISTEN_PIDFDID="18446744073709551616": not a decimal number from 1 to 18446744073709551615`},
		{"LISTEN_FDS", "", `LISTEN_FDS="": not a decimal number from 1 to 1048576`},
		{"LISTEN_FDS", "0", `LISTEN_FDS="0": not a decimal number from 1 to 1048576`},
		{"LISTEN_FDS", "-1", `LISTEN_FDS="-1": not a decimal number from 1 to 1048576`},
		{"LISTEN_FDS", "2.0", `LISTEN_FDS="2.0": not a decimal number from 1 to 1048576`},
		{"LISTEN_FDS", "2147483647", `LISTEN_FDS="2147483647": not a decimal number from 1 to 1048576`},
		{"LISTEN_FDS", "3", `LISTEN_FDNAMES="http:dns": the number of names (separated by ':') is 2, but LISTEN_FDS is 3`},
		{"LISTEN_FDNAMES", "", `LISTEN_FDNAMES="": the number of names (separated by ':') is 1, but LISTEN_FDS is 2`},
		{"LISTEN_FDNAMES", "a:b:c", `LISTEN_FDNAMES="a:b:c": the number of names (separated by ':') is 3, but LISTEN_FDS is 2`},
		{"LISTEN_FDNAMES", "a:b\nc", `LISTEN_FDNAMES="a:b\nc": name 2, "b\nc", holds a character other than printable ASCII without ':'`},
		{"LISTEN_FDNAMES", "é:b", `LISTEN_FDNAMES="é:b": name 1, "é", holds a character other than printable ASCII without ':'`},
	}
	for _, tt := range tests {
		t.Run(tt.variable+"="+tt.value, func(t *testing.T) {
			env := map[string]string{"LISTEN_PID": "4711", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "http:dns"}
			env[tt.variable] = tt.value
			got, err := parse(lookupIn(env), ownPID, ownID)
			if err == nil {
				t.Fatalf("Parse = %+v, want an error", got)
			}
			if want := "activation: malformed environment: " + tt.want + tail; err.Error() != want {
				t.Errorf("got  %s\nwant %s", err, want)
			}
			if !errors.Is(err, ErrMalformed) {
				t.Error("not an ErrMalformed")
			}
			if e, ok := errors.AsType[*environmentError](err); !ok || env[e.Variable] != e.Value {
				t.Errorf("does not carry the variable and its value: %#v", e)
			}
			if !reflect.DeepEqual(got, environment{}) {
				t.Errorf("returned %+v beside the error", got)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add("4711", "2", "http:dns", "987654321", 15)
	f.Add("4711", "1", "", "", 3)
	f.Add("4711", "1048577", "a", "0", 15)
	f.Add("4712", "-1", ":::", "18446744073709551616", 15)
	f.Add("\x00", "2", "a:\xff", " ", 7)
	f.Fuzz(func(t *testing.T, pid, fds, names, id string, set int) {
		env := make(map[string]string)
		for i, v := range []struct{ key, value string }{
			{"LISTEN_PID", pid}, {"LISTEN_FDS", fds}, {"LISTEN_FDNAMES", names}, {"LISTEN_PIDFDID", id},
		} {
			if set&(1<<i) != 0 {
				env[v.key] = v.value
			}
		}
		got, err := parse(lookupIn(env), ownPID, ownID)
		if err != nil {
			e, ok := errors.AsType[*environmentError](err)
			if !ok || env[e.Variable] != e.Value {
				t.Fatalf("error %v does not carry a variable of %q", err, env)
			}
			return
		}
		if len(got.Names) != got.FDs {
			t.Fatalf("%d names for %d descriptors", len(got.Names), got.FDs)
		}
		if got.FDs > 0 && env["LISTEN_PID"] != "4711" {
			t.Fatalf("descriptors of another process: %q", env)
		}
		for _, name := range got.Names {
			if problem := fdname.Problem(name); problem != "" {
				t.Fatalf("name %q %s", name, problem)
			}
		}
	})
}
