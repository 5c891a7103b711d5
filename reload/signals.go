package reload

import (
	"os"
	"os/signal"
	"syscall"
	"time"
)

// A process that systemd has not started and that has no notification socket is started
// by hand. There a new main process goes unnoticed: a shell, nohup(1) or
// systemd-socket-activate(1) would see the end of the process that they have started.

// stopSignals end the service. By hand SIGHUP is one of them, as for any program whose
// terminal is closed, unless it is ignored, as by nohup(1).
func (s *Service) stopSignals() []os.Signal {
	stop := []os.Signal{syscall.SIGTERM, syscall.SIGINT}
	if s.byHand && !signal.Ignored(reloadSignal) {
		stop = append(stop, reloadSignal)
	}
	return stop
}

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
