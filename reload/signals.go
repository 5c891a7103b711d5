package reload

import (
	"os/signal"
	"time"
)

// takeReloadSignalEvery is how often this process makes sure that it has the reload signal.
const takeReloadSignalEvery = 2 * time.Second

// keepReloadSignal takes the reload signal, and takes it back from a program that calls
// signal.Reset or signal.Ignore, by habit or through a library: a reload would end the
// service then, or wait in vain.
func (s *Service) keepReloadSignal() {
	tick := time.NewTicker(takeReloadSignalEvery)
	defer tick.Stop()
	for told := false; ; {
		if signal.Ignored(reloadSignal) && !told {
			s.log.Error("this program ignores SIGHUP, by which systemd asks for a reload: leave that signal to package reload")
			told = true
		}
		signal.Notify(s.reloads, reloadSignal)
		select {
		case <-tick.C:
		case <-s.done:
			return
		}
	}
}
