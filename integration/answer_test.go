package integration

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// The next systemctl reload does not report a failed attempt that a foreign signal
// has caused.
func TestReloadIsNotToldOfAnotherAttempt(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		d := installStatusd(s)
		d.generation(1)
		s.release("statusd", "integration/statusd", "version=bad", "fault=crash")
		_, err := s.manager.Systemctl(s.ctx, "kill", "--kill-whom=main", "--signal=HUP", "statusd.service")
		s.must(err)
		s.eventually("the first attempt has failed", func() bool {
			return strings.HasPrefix(d.get("Verdict"), `{"type":"(t(uus)(uus)bsbtta(st)as)","data":[1,`)
		})
		s.release("statusd", "integration/statusd", "version=v2", "slow=1s")
		s.reload("statusd")
		d.generation(2)
	})
}

// A HUP that reaches the helper of systemctl reload does not end it.
func TestHelperOutlivesHUP(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		d := installStatusd(s)
		d.generation(1)
		s.release("statusd", "integration/statusd", "version=v2", "slow=1s")
		reloaded := make(chan error, 1)
		go func() { reloaded <- s.manager.Reload(s.ctx, "statusd.service") }()
		s.eventually("the helper ignores SIGHUP", func() bool {
			helper := s.show("statusd", "ControlPID")
			text, _ := s.run("cat", "/proc/"+helper+"/status")
			var ignored uint64
			for line := range strings.Lines(text) {
				_, _ = fmt.Sscanf(line, "SigIgn: %x", &ignored)
			}
			return ignored&(1<<(unix.SIGHUP-1)) != 0
		})
		_, err := s.manager.Systemctl(s.ctx, "kill", "--kill-whom=control", "--signal=HUP", "statusd.service")
		s.must(err)
		s.must(<-reloaded)
		d.generation(2)
	})
}
