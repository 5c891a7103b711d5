package integration

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/instar-project/instar/integration/prove/store/members"
	"github.com/instar-project/instar/integration/stage"
)

// Several Keepers have the same names, adopt in order and park in reverse, and the one that a
// build leaves out is found again by the next one.
func TestKeepers(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		d := installStatusd(s)
		s.must(s.manager.Host().WriteFile("/etc/systemd/system/statusd.service.d/test.conf", []byte("[Service]\nFileDescriptorStoreMax=8\n"), 0o644))
		s.must(s.manager.DaemonReload(s.ctx))
		since := 0
		// said waits until so many Keepers have adopted or parked, and checks what they say.
		said := func(want ...string) {
			s.Helper()
			var got []string
			s.eventually(fmt.Sprintf("%d calls of Keepers", len(want)), func() bool {
				all := calls(s.journal())
				got = all[min(since, len(all)):]
				return len(got) >= len(want)
			})
			if !slices.Equal(got, want) {
				s.Errorf("%q\nwant %q", got, want)
			}
			since += len(got)
		}
		s.release("statusd", "integration/statusd", "version=three", "keeps=,tickets,limits")
		s.must(s.manager.Restart(s.ctx, "statusd.service"))
		said("adopts first start 0", "tickets adopts first start 0", "limits adopts first start 0")
		s.upgrade("statusd")
		said("limits parks", "tickets parks", "parks", "adopts upgrade 1", "tickets adopts upgrade 1", "limits adopts upgrade 1")

		// A build without one of them.
		s.release("statusd", "integration/statusd", "version=two", "keeps=,limits")
		predecessor := s.mainPID("statusd")
		s.upgrade("statusd")
		said("limits parks", "tickets parks", "parks", "adopts upgrade 2", "limits adopts upgrade 2")
		s.eventually("the leftover is said", func() bool {
			return strings.Contains(s.journal(), "name=instar.blob.tickets/adoptions.2 keeper=tickets")
		})
		list, err := s.run(d.command(), "fds", "statusd")
		s.must(err)
		for _, line := range []string{"blob  -        adoptions  3", "blob  limits   adoptions  3", "blob  tickets  adoptions  2"} {
			if !strings.Contains(list, line) {
				s.Errorf("instar fds does not have %q:\n%s", line, list)
			}
		}

		// A build that has it again, started by systemd. No predecessor is left to take back.
		s.gone(predecessor)
		s.release("statusd", "integration/statusd", "version=four", "keeps=,tickets,limits")
		s.kill("statusd")
		s.serves("statusd")
		said("adopts crash 3", "tickets adopts crash 2", "limits adopts crash 3")
		s.must(s.manager.Restart(s.ctx, "statusd.service"))
		said("limits parks", "tickets parks", "parks", "adopts restart 4", "tickets adopts restart 3", "limits adopts restart 4")
	})
}

// calls are those of statusd's Keepers, as they log them.
func calls(journal string) []string {
	var all []string
	for line := range strings.Lines(journal) {
		_, call, ok := strings.Cut(line, "INFO ")
		if !ok || !strings.HasPrefix(call, "adopts keeper=") && !strings.HasPrefix(call, "parks keeper=") {
			continue
		}
		var from, before string
		verb, rest, _ := strings.Cut(strings.TrimSpace(call), " keeper=")
		keeper, rest, _ := strings.Cut(rest, " from=")
		from, before, _ = strings.Cut(rest, " before=")
		all = append(all, strings.Join(strings.Fields(strings.ReplaceAll(keeper+" "+verb+" "+from+" "+before, `"`, "")), " "))
	}
	return all
}

// The Keeper without a name finds the entries of a build that knew no names, and leaves its own
// to such a build, whichever way one follows the other.
func TestKeeperOfEarlierBuild(t *testing.T) {
	onChat(t, 20, func(s *site, _ *members.Members) {
		old, err := builder.BuildAt(s.ctx, earlier, "examples/chat")
		if errors.Is(err, stage.ErrNoRevision) {
			t.Skip(err)
		}
		s.must(err)
		for _, follow := range []func(){
			func() { s.upgrade("chat") },
			func() { s.must(s.manager.Restart(s.ctx, "chat.service")) },
			func() { s.kill("chat"); s.serves("chat") },
		} {
			s.must(s.manager.Host().CopyIn(old, s.binary("chat"), 0o755))
			follow()
			s.release("chat", "examples/chat", "version=v2")
			follow()
		}
		if journal := s.journal(); strings.Contains(journal, "does not know") {
			s.Errorf("an entry was not found:\n%s", journal)
		}
	})
}
