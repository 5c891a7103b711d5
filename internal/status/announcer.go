package status

import (
	"time"

	"github.com/instar-project/instar/reload"

	"github.com/godbus/dbus/v5"
)

// announcer sends the signals of the main process. Every connection to the bus
// starts afresh. One goroutine uses it.
type announcer struct {
	ended int // the last attempt whose end was told, or was not for this process to tell

	conn  *dbus.Conn
	said  map[string]any // the last PropertiesChanged; nil: none
	at    time.Time      // and when
	timer *time.Timer    // runs while something is held back

	learned chan struct{} // holds one if there is news of the unit
}

// on goes over to a connection.
func (a *announcer) on(conn *dbus.Conn) { a.conn, a.said, a.timer = conn, nil, nil }

// due tells when the changes held back are to be sent.
func (a *announcer) due() <-chan time.Time {
	if a.timer == nil {
		return nil
	}
	return a.timer.C
}

// tell announces changes. A process that is not main announces nothing: its signals
// would be taken for the main process's.
func (a *announcer) tell(now reload.Snapshot, unit facts) error {
	ended := now.Verdict.Attempt > a.ended
	a.ended = now.Verdict.Attempt
	if !now.Main {
		a.said = nil
		return nil
	}
	if ended {
		if err := a.conn.Emit(Path, Interface+".UpgradeEnded", now.Verdict.Record()); err != nil {
			return err
		}
	}
	present := properties(now, unit)
	changed := differences(a.said, present)
	if len(changed) == 0 {
		return nil
	}
	if wait := time.Until(a.at.Add(Quiet)); wait > 0 {
		a.timer = time.NewTimer(wait)
		return nil
	}
	a.said, a.at, a.timer = present, time.Now(), nil
	return a.conn.Emit(Path, "org.freedesktop.DBus.Properties.PropertiesChanged", Interface, changed, []string{})
}
