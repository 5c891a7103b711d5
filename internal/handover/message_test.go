package handover

import (
	"errors"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/instar-project/instar/internal/verdict"
)

// messages is one message of each type, and its datagram.
var messages = []struct {
	message  Message
	datagram string
}{
	{
		Hello{Protocol: Version{1, 0}, Generation: 3, Attempt: 5, PID: 4711, Build: "v1.2.3", Descriptors: 2},
		`{"type":"hello","protocol":{"major":1,"minor":0},"generation":3,"attempt":5,"pid":4711,"build":"v1.2.3","descriptors":2}`,
	},
	{Descriptors{Names: []string{"http", "http"}}, `{"type":"descriptors","names":["http","http"]}`},
	{State{Descriptors: 4}, `{"type":"state","descriptors":4}`},
	{Takeover{}, `{"type":"takeover"}`},
	{TakenOver{}, `{"type":"taken-over"}`},
	{Released{}, `{"type":"released"}`},
	{
		Verdict{Attempt: 5, From: verdict.PartyRecord{Generation: 2, PID: 4711, Build: "v1"}, To: verdict.PartyRecord{Generation: 3, PID: 4712, Build: "v2"}, BeganUSec: 9, Steps: []verdict.StepRecord{{Phase: "preparing", USec: 100}}},
		`{"type":"verdict","attempt":5,"from":{"generation":2,"pid":4711,"build":"v1"},"to":{"generation":3,"pid":4712,"build":"v2"},"began_usec":9,"steps":[{"phase":"preparing","usec":100}]}`,
	},
	{
		Verdict{Attempt: 6, Failure: "why"},
		`{"type":"verdict","attempt":6,"from":{"generation":0,"pid":0,"build":""},"to":{"generation":0,"pid":0,"build":""},"failure":"why","began_usec":0}`,
	},
	{
		Draining{Party: Party{Generation: 2, PID: 4711, Build: "v1"}, Connections: 7, DeadlineUSec: 9},
		`{"type":"draining","generation":2,"pid":4711,"build":"v1","connections":7,"deadline_usec":9}`,
	},
	{Elder{Party: Party{Generation: 1, PID: 4710, Build: "v0"}}, `{"type":"elder","generation":1,"pid":4710,"build":"v0"}`},
	{Line{}, `{"type":"line"}`},
	{Cut{}, `{"type":"cut"}`},
	{
		Ready{Protocol: Version{1, 0}, Build: "v1.2.4"},
		`{"type":"ready","protocol":{"major":1,"minor":0},"build":"v1.2.4"}`,
	},
	{
		Ready{Protocol: Version{1, 0}, Build: "v1.2.4", Adopts: true, ProbationUSec: 1500000},
		`{"type":"ready","protocol":{"major":1,"minor":0},"build":"v1.2.4","adopts":true,"probation_usec":1500000}`,
	},
	{Adopted{}, `{"type":"adopted"}`},
	{
		Refuse{Protocol: Version{1, 0}, Reason: "no \"database\"\n<yet>"},
		`{"type":"refuse","protocol":{"major":1,"minor":0},"reason":"no \"database\"\n\u003cyet\u003e"}`,
	},
	{Alive{}, `{"type":"alive"}`},
	{Proven{}, `{"type":"proven"}`},
	{Unhealthy{Reason: "5 of 5 checks failed"}, `{"type":"unhealthy","reason":"5 of 5 checks failed"}`},
	{Superseded{}, `{"type":"superseded"}`},
	{Resumed{}, `{"type":"resumed"}`},
	{Stored{Names: []string{"instar.blob.a"}}, `{"type":"stored","names":["instar.blob.a"]}`},
	{Removed{Names: []string{"instar.blob.a", "instar.fd.b"}}, `{"type":"removed","names":["instar.blob.a","instar.fd.b"]}`},
	{LastWords{}, `{"type":"last-words"}`},
	{Poised{}, `{"type":"poised"}`},
	{Stopping{}, `{"type":"stopping"}`},
}

func TestEncodeAndDecode(t *testing.T) {
	for _, m := range messages {
		got, err := Encode(m.message)
		if err != nil {
			t.Errorf("Encode(%#v): %v", m.message, err)
		}
		if string(got) != m.datagram {
			t.Errorf("Encode(%#v) =\n\t%s, want\n\t%s", m.message, got, m.datagram)
		}
		back, err := Decode([]byte(m.datagram))
		if err != nil {
			t.Errorf("Decode(%s): %v", m.datagram, err)
		}
		if !reflect.DeepEqual(back, m.message) {
			t.Errorf("Decode(%s) =\n\t%#v, want\n\t%#v", m.datagram, back, m.message)
		}
	}
}

// A later minor version may add fields to every message.
func TestUnknownFieldsAreIgnored(t *testing.T) {
	for _, m := range messages {
		more := strings.TrimSuffix(m.datagram, "}") + `,"since-1.1":{"deep":[1,null]}}`
		got, err := Decode([]byte(more))
		if err != nil {
			t.Errorf("Decode(%s): %v", more, err)
		}
		if !reflect.DeepEqual(got, m.message) {
			t.Errorf("Decode(%s) =\n\t%#v, want\n\t%#v", more, got, m.message)
		}
	}
}

func TestDecodeErrors(t *testing.T) {
	for _, c := range []struct{ datagram, want string }{
		{"", `handover: "" is no message: unexpected end of JSON input`},
		{"nonsense", `handover: "nonsense" is no message: invalid character 'o' in literal null (expecting 'u')`},
		{"null", `handover: "null" is no message: it has no type`},
		{"{}", `handover: "{}" is no message: it has no type`},
		{`{"type":""}`, `handover: "{\"type\":\"\"}" is no message: it has no type`},
		{`{"type":3}`, `handover: "{\"type\":3}" is no message: json: cannot unmarshal number into Go struct field .type of type string`},
		{`{"type":"takeover"}{"type":"released"}`, `handover: "{\"type\":\"takeover\"}{\"type\":\"released\"}" is no message: invalid character '{' after top-level value`},
		{`{"type":"descriptors","names":"http"}`, "handover: malformed descriptors: json: cannot unmarshal string into Go struct field Descriptors.names of type []string"},
		// The other end speaks our version: other shapes are no excuse.
		{`{"type":"hello","protocol":{"major":1,"minor":9},"pid":"4711"}`, "handover: malformed hello: json: cannot unmarshal string into Go struct field Hello.pid of type int"},
		{`{"type":"ready","protocol":"1.0"}`, "handover: malformed ready: json: cannot unmarshal string into Go struct field Ready.protocol of type handover.Version"},
		{`{"type":"sideways"}`, `handover: unknown message type "sideways"`},
	} {
		m, err := Decode([]byte(c.datagram))
		if m != nil || err == nil || err.Error() != c.want {
			t.Errorf("Decode(%s) = %v and the error\n\t%v, want\n\t%v", c.datagram, m, err, c.want)
		}
		if unknown := strings.Contains(c.want, "unknown message type"); errors.Is(err, ErrUnknownType) != unknown {
			t.Errorf("Decode(%s): ErrUnknownType: %v, want %v", c.datagram, !unknown, unknown)
		}
	}
}

// An error shows the beginning of another program's output.
func TestDecodeClipsTheError(t *testing.T) {
	_, err := Decode([]byte(strings.Repeat("x", maxDatagram)))
	if err == nil || len(err.Error()) > 200 {
		t.Errorf("error of %d bytes", len(err.Error()))
	}
}

// The version of another major version's message is readable, whatever shape the
// rest has.
func TestAnotherMajorVersion(t *testing.T) {
	v2 := Version{Major: 2, Minor: 7}
	for _, c := range []struct {
		datagram string
		want     Message
	}{
		{`{"type":"hello","protocol":{"major":2,"minor":7,"patch":1},"generation":"three","pid":{"pidfd":9},"descriptors":["a"]}`, Hello{Protocol: v2}},
		{`{"type":"hello","protocol":{"major":2,"minor":7},"generation":3}`, Hello{Protocol: v2, Generation: 3}},
		{`{"type":"ready","protocol":{"major":2,"minor":7},"build":["v2"]}`, Ready{Protocol: v2}},
		{`{"type":"refuse","protocol":{"major":2,"minor":7},"reason":{"code":4}}`, Refuse{Protocol: v2}},
	} {
		got, err := Decode([]byte(c.datagram))
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("Decode(%s) = %#v, %v, want %#v", c.datagram, got, err, c.want)
		}
	}
	if Current.Speaks(v2) || v2.Speaks(Current) {
		t.Errorf("%v speaks %v", Current, v2)
	}
	if !Current.Speaks(Version{Current.Major, 99}) {
		t.Errorf("%v does not speak its own minor versions", Current)
	}
}

func FuzzDecode(f *testing.F) {
	for _, m := range messages {
		f.Add([]byte(m.datagram))
	}
	f.Add([]byte(`{"type":"hello","protocol":{"major":2},"pid":"x"}`))
	f.Add([]byte(`{"type":"sideways"}`))
	f.Add([]byte("nonsense"))
	f.Fuzz(func(t *testing.T, datagram []byte) {
		m, err := Decode(datagram)
		if (m == nil) == (err == nil) {
			t.Fatalf("Decode(%q) = %#v, %v", datagram, m, err)
		}
		if err != nil {
			return
		}
		// A decoded message can be encoded again, and means the same.
		again, err := Encode(m)
		if err != nil {
			t.Fatalf("Encode(%#v): %v", m, err)
		}
		if back, err := Decode(again); err != nil || !reflect.DeepEqual(back, m) {
			t.Fatalf("Decode(%s) = %#v, %v, want %#v", again, back, err, m)
		}
	})
}

// A type that Decode does not know of would be ignored in silence.
func TestEveryTypeIsDecoded(t *testing.T) {
	seen := make(map[string]bool)
	for _, m := range messages {
		seen[m.message.kind()] = true
	}
	source, err := os.ReadFile("message.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, match := range regexp.MustCompile(`kind\(\) string +\{ return "([a-z-]+)" \}`).FindAllSubmatch(source, -1) {
		if kind := string(match[1]); !seen[kind] {
			t.Errorf("%s is not among the messages of these tests", kind)
		}
	}
}
