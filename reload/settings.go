package reload

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// settings are the facts about its unit that a process has from the environment,
// see systemd.exec(5).
type settings struct {
	supervised bool          // systemd itself has started this process
	listens    bool          // systemd reads its messages (NOTIFY_SOCKET)
	watchdog   time.Duration // WatchdogSec=; 0: none
	invocation string        // INVOCATION_ID; "": systemd has started no unit here
}

// supervised reports whether systemd has started the process pid; it tells its own
// processes so since version 248.
func supervised(lookup func(key string) (string, bool), pid int) bool {
	value, _ := lookup("SYSTEMD_EXEC_PID")
	return value == strconv.Itoa(pid)
}

// checkListening returns an error if systemd would take the end of this process for the
// end of the service, even if it has a successor.
func (unit settings) checkListening() error {
	if unit.supervised && !unit.listens {
		return errors.New("systemd does not listen to it (NOTIFY_SOCKET is not set), and would stop the unit when this process ends: write Type=notify-reload and NotifyAccess=main in [Service]; see systemd.service(5)")
	}
	return nil
}

// contradictions returns the settings of the unit that contradict c, a sentence each that
// names the directive to write. The service works until it matters. keeps: it has a Keeper.
// store is FileDescriptorStoreMax=. elsewhere is the error of checkCgroup. Package status
// finds the contradictions that take a bus to know.
func (c Config) contradictions(unit settings, keeps bool, store int, elsewhere error) []error {
	var all []error
	if err := unit.checkListening(); err != nil {
		all = append(all, fmt.Errorf("this service cannot be upgraded: %w", err))
	}
	if elsewhere != nil {
		all = append(all, fmt.Errorf("this service cannot be upgraded: %w", elsewhere))
	}
	if unit.watchdog > 0 && unit.watchdog <= c.Probation {
		all = append(all, fmt.Errorf("WatchdogSec=%v is not longer than the probation of %v (Config.Probation): systemd would stop the unit, predecessor included, before the predecessor takes back: write WatchdogSec=%v in [Service], or more; see systemd.service(5)",
			unit.watchdog, c.Probation, 2*c.Probation))
	}
	if keeps && unit.listens && store == 0 {
		all = append(all, errors.New("the service has a Keeper and its unit no store (FDSTORE is not set), so its state cannot outlive the process: write FileDescriptorStoreMax=64 in [Service], or more; see systemd.service(5)"))
	}
	return all
}
