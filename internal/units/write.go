package units

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// File is a unit file: its name, such as "web.socket", and its text.
type File struct{ Name, Text string }

// The slack of a unit's timeouts beyond those of the service, for work that the
// service does not time: its start, systemd's own work, a slow machine.
const (
	startSlack = 30 * time.Second
	stopSlack  = 15 * time.Second
)

// Write renders the unit files of a service: the .service first, then a .socket
// for each of its Sockets. The same Service gives the same text. Nothing is
// written to disk.
//
// The error has [ErrInvalid] and names every field that is wrong.
func Write(s Service) ([]File, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	s = s.withDefaults()
	files := []File{{s.ServiceUnit(), s.serviceText()}}
	for i := range s.Sockets {
		files = append(files, File{s.SocketUnit(i), s.socketText(i)})
	}
	return files, nil
}

func (s Service) serviceText() string {
	var sockets []string
	for i := range s.Sockets {
		sockets = append(sockets, s.SocketUnit(i))
	}
	t := new(text)
	t.section("Unit")
	t.set("Description", escapeValue(s.Description))
	t.because("Without its sockets there is nothing to serve.")
	t.set("Requires", strings.Join(sockets, " "))
	t.set("After", strings.Join(sockets, " "))
	t.because("A service that fails again and again is started again and again: were its",
		"start limit hit, systemd would close its sockets.")
	t.set("StartLimitIntervalSec", "0")

	t.section("Service")
	t.because("`systemctl reload` sends SIGHUP and waits until the next generation serves.")
	t.set("Type", "notify-reload")
	t.because("Only the main process speaks for the service. During an upgrade the generations",
		"change this between themselves.")
	t.set("NotifyAccess", "main")
	t.because("An upgrade starts this path anew: replace the file by rename.")
	t.set("ExecStart", quote(s.ExecStart))
	if len(s.ExecReload)+len(s.ExecReloadPost) > 0 {
		why := []string{"Answer for the upgrade: the reload fails when it has failed."}
		prefix := ""
		if s.Scope == System {
			prefix = "+"
			why = append(why, "Not in the sandbox ('+'): without the folder of PrivateTmp=, where somebody has", "emptied /tmp, nothing starts there.")
		}
		t.because(why...)
		if len(s.ExecReload) > 0 {
			t.set("ExecReload", prefix+quote(s.ExecReload))
		}
		if len(s.ExecReloadPost) > 0 {
			t.set("ExecReloadPost", prefix+quote(s.ExecReloadPost))
		}
	}
	if len(sockets) > 1 {
		t.because("The sockets of another name than the service's.")
		t.set("Sockets", strings.Join(sockets, " "))
	}
	if s.Store > 0 {
		t.because("Entries of the file descriptor store, which systemd keeps when a process ends.")
		t.set("FileDescriptorStoreMax", strconv.Itoa(s.Store))
	}
	t.because("After a crash connections wait in the sockets; they do not wait long. A service",
		"that fails again and again waits for longer from one time to the next.")
	t.set("Restart", "always")
	t.set("RestartSec", "100ms")
	t.set("RestartSteps", "10")
	t.set("RestartMaxDelaySec", "2s")
	t.because("A first start may take as long as that of a successor: ReadyTimeout ("+span(s.ReadyTimeout)+"),", "and some more.")
	t.set("TimeoutStartSec", span(s.ReadyTimeout+startSlack))
	t.because("A stop: DrainTimeout (" + span(s.DrainTimeout) + ") and some more.")
	t.set("TimeoutStopSec", span(s.DrainTimeout+stopSlack))
	if s.Watchdog > 0 {
		t.because("A generation that hangs is restarted.")
		t.set("WatchdogSec", span(s.Watchdog))
	}
	t.because("A stop reaches every generation that still drains.")
	t.set("KillMode", "control-group")
	t.because("A generation that runs out of memory ends alone, not the whole unit.")
	t.set("OOMPolicy", "continue")

	if s.Outbound {
		t.because("Rights that the service does not need are taken away.")
	} else {
		t.because("Everything the service needs comes through its sockets.")
	}
	for _, line := range s.sandbox() {
		t.set(line.Name, line.Value)
	}
	if len(s.Settings) > 0 {
		t.because("This service's own.")
	}
	for _, line := range s.Settings {
		t.set(line.Name, line.Value)
	}
	if s.losesPaths() {
		t.because("The sockets in it outlive the service.")
		t.set("RuntimeDirectoryPreserve", "yes")
	}
	return t.String()
}

// losesPaths reports whether Settings have a RuntimeDirectory= that systemd would
// remove, at a stop or a crash, with the path of a socket in it.
func (s Service) losesPaths() bool {
	service := &Unit{Name: s.ServiceUnit()}
	for _, line := range s.Settings {
		service.Directives = append(service.Directives, Directive{Section: "Service", Name: line.Name, Value: line.Value})
	}
	for i, socket := range s.Sockets {
		unit := &Unit{Name: s.SocketUnit(i)}
		for _, l := range socket.Listen {
			unit.Directives = append(unit.Directives, Directive{Section: "Socket", Name: l.Directive, Value: l.Address})
		}
		for _, address := range unit.paths() {
			if _, lost := service.removesAtStop(address); lost {
				return true
			}
		}
	}
	return false
}

func (s Service) socketText(i int) string {
	socket := s.Sockets[i]
	t := new(text)
	t.section("Unit")
	t.set("Description", escapeValue(fmt.Sprintf("%s: socket %s", s.Description, socket.Name)))

	t.section("Socket")
	t.because("The name that the service asks for.")
	t.set("FileDescriptorName", escapeValue(socket.Name))
	if i > 0 {
		t.set("Service", s.ServiceUnit())
	}
	for _, l := range socket.Listen {
		t.set(l.Directive, l.Address)
	}
	if socket.Mode != 0 {
		t.set("SocketMode", fmt.Sprintf("%04o", socket.Mode.Perm()))
	}
	if socket.connects() {
		backlog := socket.Backlog
		if backlog == 0 {
			backlog = DefaultBacklog
		}
		t.because("Room for the connections that arrive while no process accepts: during a takeover,",
			"after a crash.")
		t.set("Backlog", strconv.Itoa(backlog))
	}
	t.because("However often the service has to be started, the socket stays open.")
	t.set("TriggerLimitIntervalSec", "0")

	t.section("Install")
	t.set("WantedBy", "sockets.target")
	return t.String()
}
