package handover

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/instar-project/instar/internal/descriptor"
	"github.com/instar-project/instar/internal/handover/distant"
	"github.com/instar-project/instar/internal/verdict"

	"golang.org/x/sys/unix"
)

var update = flag.Bool("update", false, "write the transcripts of the protocol's current version anew")

// line is one line of a transcript: the sender, the message, the number of
// descriptors.
type line struct {
	From        string          `json:"from"`
	Datagram    json.RawMessage `json:"datagram"`
	Descriptors int             `json:"descriptors,omitempty"`
}

const fromPredecessor, fromSuccessor = "predecessor", "successor"

type said struct {
	from string
	Message
}

func predecessorSays(m Message) said { return said{fromPredecessor, m} }
func successorSays(m Message) said   { return said{fromSuccessor, m} }

// greeting is how every conversation begins.
var greeting = []said{
	predecessorSays(Hello{Protocol: Current, Generation: 2, Attempt: 1, PID: 1001, Build: "v1", Descriptors: 3}),
	predecessorSays(Descriptors{Names: []string{"http", "http", "udp"}}),
}

// stories are the conversations whose transcripts are kept.
var stories = map[string][]said{
	"upgrade": {
		successorSays(Ready{Protocol: Current, Build: "v2"}),
		predecessorSays(Takeover{}),
		predecessorSays(TakenOver{}),
		predecessorSays(Verdict{
			Attempt:   1,
			From:      verdict.PartyRecord{Generation: 1, PID: 1001, Build: "v1"},
			To:        verdict.PartyRecord{Generation: 2, PID: 1002, Build: "v2"},
			BeganUSec: 1_700_000_000_000_000,
			Steps:     []verdict.StepRecord{{Phase: "preparing", USec: 5200}, {Phase: "taking over", USec: 800}},
		}),
		successorSays(Superseded{}),
		successorSays(Resumed{}),
		successorSays(Superseded{}),
	},
	"state": {
		successorSays(Ready{Protocol: Current, Build: "v2", Adopts: true}),
		predecessorSays(State{Descriptors: 2}),
		predecessorSays(Descriptors{Names: []string{"instar.blob.sessions", "instar.journal.sessions"}}),
		successorSays(Adopted{}),
		predecessorSays(Takeover{}),
		predecessorSays(TakenOver{}),
		successorSays(Stored{Names: []string{"instar.blob.sessions"}}),
		successorSays(Removed{Names: []string{"instar.journal.sessions"}}),
	},
	"last-words": {
		successorSays(LastWords{}),
		successorSays(Ready{Protocol: Current, Build: "v2"}),
	},
	"refusal": {
		successorSays(Refuse{Protocol: Current, Reason: "config.toml:3: no such option"}),
	},
	"probation": {
		successorSays(Ready{Protocol: Current, Build: "v2", ProbationUSec: 10_000_000}),
		predecessorSays(Takeover{}),
		predecessorSays(TakenOver{}),
		successorSays(Alive{}),
		successorSays(Alive{}),
		successorSays(Proven{}),
		predecessorSays(Released{}),
		successorSays(Stopping{}),
	},
	"take-back": {
		successorSays(Ready{Protocol: Current, Build: "v2", ProbationUSec: 10_000_000}),
		predecessorSays(Takeover{}),
		predecessorSays(TakenOver{}),
		successorSays(Unhealthy{Reason: "error rate 12 %"}),
	},
}

// TestTranscripts pins the messages of this build. A change here is a change of the
// protocol: see the package comment for the allowed ones, and keep the transcripts
// of a released version in its own folder.
func TestTranscripts(t *testing.T) {
	for _, v := range []Version{Current, later} {
		t.Run(v.String(), func(t *testing.T) { pinTranscripts(t, v) })
	}
}

// later is a minor version that there will not be: see package distant.
var later = Version{Major: Current.Major, Minor: 99}

func pinTranscripts(t *testing.T, v Version) {
	for name, story := range stories {
		var want bytes.Buffer
		record := func(l line) {
			text, err := json.Marshal(l)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&want, "%s\n", text)
		}
		for _, s := range append(greeting[:len(greeting):len(greeting)], story...) {
			datagram, err := Encode(speaking(v, s.Message))
			if err != nil {
				t.Fatal(err)
			}
			l := line{From: s.from, Datagram: datagram}
			if v == later {
				var before []byte
				before, l.Datagram = distant.Datagrams(v.String(), datagram)
				record(line{From: s.from, Datagram: before})
			}
			switch m := s.Message.(type) {
			case Descriptors:
				l.Descriptors = len(m.Names)
			case Stored:
				l.Descriptors = len(m.Names)
			case LastWords:
				l.Descriptors = 1
			}
			record(l)
		}
		path := filepath.Join("testdata", "transcripts", v.String(), name+".jsonl")
		if *update {
			if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, want.Bytes(), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want.Bytes()) {
			t.Errorf("this build says, of %s,\n%sbut %s has\n%s", name, &want, path, got)
		}
	}
}

// speaking is m as a build of the present version would say it.
func speaking(v Version, m Message) Message {
	switch m := m.(type) {
	case Hello:
		m.Protocol = v
		return m
	case Ready:
		m.Protocol = v
		return m
	case Refuse:
		m.Protocol = v
		return m
	}
	return m
}

// TestReplay talks to every version on record, in both roles: the other end is a
// bare socket that sends the lines of the transcript.
func TestReplay(t *testing.T) {
	paths, err := filepath.Glob("testdata/transcripts/*/*.jsonl")
	if err != nil || len(paths) < len(stories) {
		t.Fatalf("%d transcripts: %v", len(paths), err)
	}
	for _, path := range paths {
		lines := readTranscript(t, path)
		name := strings.TrimSuffix(strings.TrimPrefix(path, "testdata/transcripts/"), ".jsonl")
		for _, role := range []string{fromPredecessor, fromSuccessor} {
			t.Run(name+" as "+role, func(t *testing.T) { replay(t, lines, role) })
		}
	}
}

func readTranscript(t *testing.T, path string) []line {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var lines []line
	for text := range strings.Lines(string(text)) {
		var l line
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		lines = append(lines, l)
	}
	return lines
}

// replay plays role with this package, and the other one from the transcript.
func replay(t *testing.T, lines []line, role string) {
	checkDescriptors(t)
	conn, other := halfRaw(t)
	var announced Message // that Descriptors follow
	var names []string
	for _, l := range lines {
		m, err := Decode(l.Datagram)
		if errors.Is(err, ErrUnknownType) { // of a later version
			if l.From != role {
				write(t, *other, string(l.Datagram))
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		var fds []int
		for range l.Descriptors {
			fds = append(fds, *other) // any will do
		}
		if l.From == role {
			say(t, conn, *other, m, l, fds)
			continue
		}
		write(t, *other, string(l.Datagram), fds...)
		switch m := m.(type) {
		case Hello, State:
			announced, names = m, nil
		case Descriptors:
			names = append(names, m.Names...)
			switch h := announced.(type) {
			case Hello:
				if len(names) == h.Descriptors {
					got, descriptors, err := conn.Greeted()
					if !reflect.DeepEqual(got, h) || err != nil {
						t.Errorf("Greeted: %+v, %v, want %+v", got, err, h)
					}
					check(t, descriptors, names)
				}
			case State:
				if len(names) == h.Descriptors {
					if got, _, err := conn.next(); err != nil || got != h {
						t.Errorf("Receive: %+v, %v, want %+v", got, err, h)
					}
					descriptors, err := conn.TakeState(h)
					if err != nil {
						t.Errorf("TakeState: %v", err)
					}
					check(t, descriptors, names)
				}
			}
		default:
			got, fds, err := conn.next()
			descriptor.CloseAll(fds)
			if err != nil || !reflect.DeepEqual(got, m) || len(fds) != l.Descriptors {
				t.Errorf("Receive: %#v, %v, %v, want %#v", got, fds, err, m)
			}
		}
	}
}

// say sends m and checks that a reader of the transcript's version finds in it
// all that it knows of and this build can know.
func say(t *testing.T, conn *Conn, other int, m Message, l line, fds []int) {
	t.Helper()
	if err := conn.Send(m, fds...); err != nil {
		t.Fatal(err)
	}
	datagram, n := read(t, other)
	var got, want map[string]any
	if err := json.Unmarshal([]byte(datagram), &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(l.Datagram, &want); err != nil {
		t.Fatal(err)
	}
	for field, value := range want {
		if strings.HasPrefix(field, "since_") {
			continue
		}
		if !reflect.DeepEqual(got[field], value) {
			t.Errorf("%s: %s is %v, want %v", m.kind(), field, got[field], value)
		}
	}
	if n != l.Descriptors {
		t.Errorf("%s came with %d descriptors, want %d", m.kind(), n, l.Descriptors)
	}
}

// check compares the names of descriptors, and closes these.
func check(t *testing.T, got []Descriptor, names []string) {
	t.Helper()
	for i, d := range got {
		unix.Close(d.FD)
		if d.Name != names[i] {
			t.Errorf("descriptor %d is %q, want %q", i, d.Name, names[i])
		}
	}
	if len(got) != len(names) {
		t.Errorf("%d descriptors, want %d", len(got), len(names))
	}
}
