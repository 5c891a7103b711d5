package status

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/instar-project/instar/internal/units"
)

func TestFollow(t *testing.T) {
	source := func(path string, assignments ...string) units.Variables {
		return units.Variables{Path: path, Assignments: assignments}
	}
	unreadable := units.Variables{Path: "/secret", Err: os.ErrPermission}
	seen := func(all ...units.Variables) (s started) {
		for _, source := range all {
			s.note(source)
		}
		return s
	}
	own := []string{"PATH=/bin", "INVOCATION_ID=1", "OLD=1", "KEPT=1", "LANG=C", "TOKEN=one", "LAST=1"}
	for _, c := range []struct {
		name   string
		before started
		now    []units.Variables
		unset  []string
		want   []string
		doubts string
	}{
		{
			"the unit's variables have their present values",
			seen(source("", "KEPT=1", "LANG=C", "OLD=1")),
			[]units.Variables{source("", "KEPT=2", "NEW=1"), source("/etc/x", "KEPT=3", "GONE=1", "HERE=1")},
			[]string{"GONE", "HERE=2", "LAST=1"},
			[]string{"PATH=/bin", "INVOCATION_ID=1", "LANG=C", "TOKEN=one", "NEW=1", "KEPT=3", "HERE=1"}, "[]",
		}, {
			"a file's variables go with the file",
			seen(source("/etc/x", "OLD=1", "KEPT=1")), nil, nil,
			[]string{"PATH=/bin", "INVOCATION_ID=1", "LANG=C", "TOKEN=one", "LAST=1"}, "[]",
		}, {
			"an unreadable file's variables stay",
			seen(source("", "OLD=1", "KEPT=1"), source("/secret", "TOKEN=one")),
			[]units.Variables{source("", "KEPT=2", "PATH=/opt"), unreadable}, nil,
			[]string{"INVOCATION_ID=1", "LANG=C", "TOKEN=one", "LAST=1", "KEPT=2", "PATH=/opt"}, "[]",
		}, {
			"and override those of others, though it was never read",
			seen(source("", "TOKEN=default", "OLD=1", "KEPT=1")),
			[]units.Variables{source("", "TOKEN=default", "KEPT=2"), unreadable}, nil,
			[]string{"PATH=/bin", "INVOCATION_ID=1", "LANG=C", "TOKEN=one", "LAST=1", "KEPT=2"}, "[]",
		}, {
			"nothing was seen",
			started{}, []units.Variables{source("", "TOKEN=default", "NEW=1"), unreadable}, nil,
			[]string{"PATH=/bin", "INVOCATION_ID=1", "OLD=1", "KEPT=1", "LANG=C", "TOKEN=one", "LAST=1", "NEW=1"}, "[Environment=: TOKEN stays as it was, as a file that cannot be read may set it]",
		},
	} {
		got, then, doubtful := c.before.follow(own, c.now, c.unset)
		if !slices.Equal(got, c.want) || fmt.Sprint(doubtful) != c.doubts {
			t.Errorf("%s: %q, %q, want %q, %s", c.name, got, doubtful, c.want, c.doubts)
		}
		// Its own successor gets the same.
		again, _, doubtful := then.follow(got, c.now, c.unset)
		slices.Sort(again)
		if slices.Sort(got); !slices.Equal(again, got) || fmt.Sprint(doubtful) != c.doubts {
			t.Errorf("%s: once more: %q, %q, want %q, %s", c.name, again, doubtful, got, c.doubts)
		}
	}
}

// A variable that only an unreadable file can have set goes when the file can be read and
// does not set it any more.
func TestNoteUnread(t *testing.T) {
	own := []string{"PATH=/bin", "INVOCATION_ID=1", "STATE_DIRECTORY=/var/lib/x", "PASSED=1", "MODE=one", "TOKEN=one", "OLD=there"}
	x := units.Execution{
		Environment:      []string{"MODE=one", "TOKEN=default"},
		EnvironmentFiles: []units.EnvironmentFile{{Path: t.TempDir()}}, // which is no file
		Inherited:        []string{"PASSED"},
	}
	var s started
	for _, source := range x.Variables() {
		s.note(source)
	}
	s.noteUnread(own, x)
	if want := map[string]string{"TOKEN": digest("one"), "OLD": digest("there")}; !maps.Equal(s.Variables[unread], want) {
		t.Errorf("%q, want %q", s.Variables[unread], want)
	}
	again, s, _ := s.follow(own, x.Variables(), nil)
	slices.Sort(again)
	if want := slices.Sorted(slices.Values(own)); !slices.Equal(again, want) {
		t.Errorf("as long as the file cannot be read: %q, want %q", again, want)
	}
	got, s, _ := s.follow(own, []units.Variables{{Assignments: x.Environment}, {Path: x.EnvironmentFiles[0].Path, Assignments: []string{"TOKEN=two"}}}, nil)
	if want := []string{"PATH=/bin", "INVOCATION_ID=1", "STATE_DIRECTORY=/var/lib/x", "PASSED=1", "MODE=one", "TOKEN=two"}; !slices.Equal(got, want) {
		t.Errorf("when it can: %q, want %q", got, want)
	}
	if s.Variables[unread] != nil {
		t.Errorf("then %q is noted still", s.Variables[unread])
	}
}

func TestOtherVariables(t *testing.T) {
	var s started
	for _, source := range []units.Variables{
		{Assignments: []string{"A=1", "B=1"}},
		{Path: "/x", Assignments: []string{"C=1", "D=1"}},
		{Path: "/hidden", Assignments: []string{"E=1"}},
		{Path: "/dropped", Assignments: []string{"F=1"}},
	} {
		s.note(source)
	}
	got := s.otherVariables([]units.Variables{
		{Assignments: []string{"A=1", "B=2", "A=1"}},
		{Path: "/x", Assignments: []string{"D=1", "G=1"}},
		{Path: "/hidden", Err: os.ErrPermission},
		{Path: "/new", Assignments: []string{"H=1", "I=1"}},
	}, []string{"H=1", "I=2"})
	want := []string{
		"Environment=: B changed since the start",
		"EnvironmentFile=/x: C, G changed since the start",
		"EnvironmentFile=/new: I changed since the start",
		"EnvironmentFile=/dropped: F changed since the start",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}

	s = started{}
	s.setVariables(unread, map[string]string{"A": digest("1"), "B": digest("1")})
	now := []units.Variables{{Path: "/x", Assignments: []string{"A=1"}}}
	if got, want := s.otherVariables(now, []string{"A=1", "B=1"}), []string{"EnvironmentFile=: B changed since the start"}; !slices.Equal(got, want) {
		t.Errorf("a file that can be read by now: %q, want %q", got, want)
	}
	now[0].Err = os.ErrPermission
	if got := s.otherVariables(now, nil); len(got) > 0 {
		t.Errorf("a file that cannot be read: %q", got)
	}
}
