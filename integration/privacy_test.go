package integration

import (
	"strings"
	"testing"

	"github.com/instar-project/instar/internal/status"
	"github.com/instar-project/instar/internal/verdict"
)

// The words of a release that crashes or refuses are for the readers of the
// journal. Every local user reads STATUS= and the bus: they learn the kind of
// failure.
func TestWordsAreTheJournals(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		d := installStatusd(s)
		d.generation(1)
		told := d.monitor()
		nobody := func(command ...string) string {
			// An exit status of systemctl status is no failure.
			out, _ := s.manager.Run(s.ctx, "setpriv", append([]string{"--reuid=65534", "--regid=65534", "--clear-groups", "--"}, command...)...)
			return out
		}
		for _, c := range []struct{ fault, kind, words string }{
			{"panic-early", "exited with status 2, without a call of Serve", "panic: dial postgres://web:secret@db"},
			{"refuse", "the successor refused", "the configuration names no backend"},
		} {
			s.release("statusd", "integration/statusd", "version=bad", "fault="+c.fault)
			upgraded, err := s.manager.Run(s.ctx, d.command(), "upgrade", "statusd")
			if err == nil || !strings.Contains(upgraded, c.kind+": "+c.words) {
				t.Errorf("%s: instar upgrade prints %q, error %v", c.fault, upgraded, err)
			}
			d.generation(1)
			for reader, text := range map[string]string{
				"systemctl show":   nobody("systemctl", "show", "-P", "StatusText", "statusd"),
				"systemctl status": nobody("systemctl", "status", "statusd"),
				"busctl":           nobody("busctl", "--system", "get-property", statusdName, status.Path, status.Interface, "Verdict"),
				"instar status":    nobody(d.command(), "status", "statusd"),
				"a signal":         told(),
			} {
				if strings.Contains(text, c.words) || !strings.Contains(text, c.kind) {
					t.Errorf("%s: %s shows nobody %q", c.fault, reader, text)
				}
			}
			if root, err := s.manager.Run(s.ctx, d.command(), "status", "statusd"); err != nil || !strings.Contains(root, c.kind+": "+c.words) {
				t.Errorf("%s: instar status shows root %q, error %v", c.fault, root, err)
			}
			s.must(s.machine.SyncJournal(s.ctx))
			entries, err := s.run("journalctl", "--boot", "--output=json", "MESSAGE_ID="+verdict.MessageID)
			s.must(err)
			if !strings.Contains(entries, `"INSTAR_LAST_WORDS":"`+c.words+`"`) {
				t.Errorf("%s: the journal has %s", c.fault, entries)
			}
		}
	})
}
