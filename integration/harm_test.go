package integration

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/instar-project/instar/integration/machine"
	"github.com/instar-project/instar/internal/status"
	"github.com/instar-project/instar/internal/units"
)

// A harm is the damage that a rule of units.Verify warns of, shown on real systemd:
// it happens to the units that Write writes once they are changed, and not before.
type harm struct {
	rule   string
	bad    map[string]string // drop-ins, by "web.service.d/bad.conf"; "-web.socket" takes a unit away
	edit   [2]string         // or a line of web.service, and its replacement
	with   map[string]string // drop-ins for both runs
	store  int               // Service.Store, and Options.Store
	before func(s *site)     // further preparations in the machine; nil: none
	lowest int               // the first systemd it happens on; 0: all
	last   int               // the last one; 0: all

	// happens provokes the harm, with the socket started, and describes it; "" if
	// there was none.
	happens func(s *site) string
}

// unshown are the rules without a harm to show, and why.
var unshown = map[string]string{
	"systemd-version":    "no machine has a systemd that old",
	"notify-access-none": "systemd overrides it: nothing happens",
	"oom-policy":         "machines have no memory controller",
	"watchdog":           "examples/web has no probation",
	"exec-start-shell":   "the shells of the machines exec their last command",
	"container":          "machines have no container engine",
	"root-image":         "machines cannot mount images",
	"send-sighup":        "nothing happens: the service stops already",
	"socket-stale":       "see TestVerifyRunning",
	"own-socket":         "see TestVerifyRunning",
	"stopping":           "see TestVerifyRunning",
	"store-user":         "the tests of package fdstore show it",
	"store-systemd":      "no machine has such a systemd",
}

func service(lines ...string) map[string]string {
	return map[string]string{"web.service.d/bad.conf": "[Service]\n" + strings.Join(lines, "\n") + "\n"}
}

func socket(lines ...string) map[string]string {
	return map[string]string{"web.socket.d/bad.conf": "[Socket]\n" + strings.Join(lines, "\n") + "\n"}
}

var harms = []harm{
	{rule: "service-type", bad: service("Type=exec"), happens: reloadFails},
	{rule: "notify-access", bad: service("NotifyAccess=all"),
		with: map[string]string{"web.service.d/a.conf": "[Service]\nExecStartPost=-/usr/bin/systemd-notify --status=hijacked\n"},
		happens: func(s *site) string {
			s.must(s.manager.Start(s.ctx, "web.service"))
			if text := s.show("web", "StatusText"); text == "hijacked" {
				return "STATUS= is a helper's"
			}
			return ""
		}},
	{rule: "pid-file", bad: service("PIDFile=/run/web.pid"), last: 261, // from 262 on ExecReload= runs before the upgrade

		with: map[string]string{"web.service.d/a.conf": "[Service]\nExecReload=/bin/true\n"}, happens: mainPIDFollowsFile},
	{rule: "remain-after-exit", bad: service("RemainAfterExit=yes"),
		// It ends well, and has not said STOPPING=1.
		with: map[string]string{"web.service.d/a.conf": "[Service]\nRestart=on-failure\nNotifyAccess=all\nExecStart=\nExecStart=/bin/sh -c \"trap : HUP; systemd-notify --ready\"\n"},
		happens: func(s *site) string {
			s.must(s.manager.Start(s.ctx, "web.service"))
			s.eventually("it has ended", func() bool {
				state := s.show("web", "SubState")
				return state == "exited" || state == "dead"
			})
			if s.show("web", "SubState") == "exited" {
				return s.unanswered("/")
			}
			return ""
		}},
	{rule: "exec-start-argv0", bad: service("ExecStart=", "ExecStart=@/opt/web/web web"), happens: sameMainPID},
	{rule: "exec-start-wrapper", bad: service("ExecStart=", `ExecStart=/bin/sh -c "/opt/web/web; true"`), happens: startFails},
	{rule: "exec-start-wrapper", bad: service("ExecStart=", "ExecStart=/usr/bin/nice /opt/start"), happens: startFails,
		before: func(s *site) {
			s.must(s.machine.WriteFile("/opt/start", []byte("#!/bin/sh\n/opt/web/web\n"), 0o755))
		}},
	{rule: "exec-skipped", bad: service(`ExecStartPre=+/bin/sh -c "echo $$MAINPID >>/run/migrated"`),
		happens: func(s *site) string {
			s.must(s.manager.Start(s.ctx, "web.service"))
			s.upgrade("web")
			text, err := s.machine.Run(s.ctx, "sh", "-c", "cat /run/migrated; rm -f /run/migrated")
			if lines := strings.Count(text, "\n"); err == nil && lines == 1 {
				return "it has run once, for two generations"
			}
			return ""
		}},
	{rule: "kill-mode", bad: service("KillMode=process"),
		happens: func(s *site) string {
			predecessor := s.slowPredecessor("2s")
			s.must(s.manager.Stop(s.ctx, "web.service"))
			if _, err := os.Stat(fmt.Sprintf("/proc/%d", predecessor)); err == nil {
				return "the predecessor lives on"
			}
			return ""
		}},
	{rule: "kill-mode", bad: service("KillMode=mixed"), happens: cutAtStop},
	{rule: "kill-signal", bad: service("KillSignal=SIGQUIT"), happens: cutAtStop},
	{rule: "kill-signal", bad: service("RestartKillSignal=SIGQUIT"), happens: cutBy((*machine.Manager).Restart)},
	{rule: "exec-stop", bad: service("ExecStop=/bin/kill -s QUIT $MAINPID"), happens: cutBy((*machine.Manager).Stop)},
	{rule: "final-kill", bad: service("SendSIGKILL=no"), with: hanging, happens: outlivesStop},
	{rule: "final-kill", bad: service("FinalKillSignal=SIGQUIT"), with: hanging, happens: outlivesStop},
	{rule: "pam-name", bad: service("PAMName=web"),
		with: map[string]string{"web.service.d/a.conf": "[Service]\nDynamicUser=no\nUser=instar\n"},
		before: func(s *site) {
			s.must(s.machine.WriteFile("/etc/pam.d/web", []byte("auth required pam_permit.so\naccount required pam_permit.so\nsession required pam_systemd.so\n"), 0o644))
			_, err := s.manager.Systemctl(s.ctx, "start", "systemd-logind.service")
			s.must(err)
		},
		happens: sameMainPID},
	{rule: "service-environment", bad: service("UnsetEnvironment=NOTIFY_SOCKET"),
		with: map[string]string{"web.service.d/a.conf": "[Service]\nTimeoutStartSec=2s\n"}, happens: startFails},

	{rule: "socket-missing", bad: map[string]string{"-web.socket": ""}, happens: startFails},
	{rule: "socket-service", bad: socket("Service=other.service"), happens: socketFails},
	{rule: "sockets", edit: [2]string{"Requires=web.socket\n", ""},
		happens: func(s *site) string {
			s.must(s.manager.Stop(s.ctx, "web.socket"))
			return startFails(s)
		}},
	{rule: "socket-part-of", bad: map[string]string{"web.socket.d/bad.conf": "[Unit]\nPartOf=web.service\n"},
		happens: func(s *site) string {
			s.ask("/")
			s.must(s.manager.Stop(s.ctx, "web.service"))
			for range 40 { // the socket stops after the service has
				if why := s.refused(); why != "" {
					return why
				}
				time.Sleep(50 * time.Millisecond)
			}
			return ""
		}},
	{rule: "fd-name-duplicate", bad: map[string]string{"web-admin.socket.d/bad.conf": "[Socket]\nFileDescriptorName=http\n"},
		with: map[string]string{
			"web-admin.socket":     "[Socket]\nFileDescriptorName=admin\nService=web.service\nListenStream=8081\n",
			"web.service.d/a.conf": "[Service]\nSockets=web.socket web-admin.socket\n",
		},
		happens: func(s *site) string {
			s.must(s.manager.Start(s.ctx, "web-admin.socket", "web.service"))
			if text, err := s.machine.Run(s.ctx, "bash", "-c", `exec 3<>/dev/tcp/127.0.0.1/8081; printf 'GET / HTTP/1.0\r\n\r\n' >&3; timeout 1 cat <&3`); err == nil {
				return "the public site answers on the port for administrators: " + text
			}
			return ""
		}},

	{rule: "socket-path", bad: service("RuntimeDirectory=shop", "RuntimeDirectoryPreserve=restart"), with: inShop, happens: pathGone},
	{rule: "socket-path", bad: service("ExecStopPost=+/bin/rm -f /run/shop/web.sock"), with: inShop, happens: pathGone},

	{rule: "accept", bad: socket("Accept=yes"), happens: func(s *site) string { return s.unanswered("/") }},
	{rule: "flush-pending", bad: socket("FlushPending=yes"),
		happens: func(s *site) string {
			// It waits in the socket's queue, as the service is not at it.
			s.must(s.manager.Start(s.ctx, "web.service"))
			s.must(s.signal("STOP"))
			answer := make(chan error, 1)
			go func() {
				_, err := s.tryAsk("/")
				answer <- err
			}()
			s.eventually("the request waits", func() bool { return strings.Contains(s.sockets(), "ESTAB") })
			s.must(s.signal("KILL"))
			return said(<-answer)
		}},
	{rule: "reuse-port", bad: socket("ReusePort=yes"),
		with: map[string]string{
			"thief.socket":  "[Socket]\nListenStream=8080\nReusePort=yes\n",
			"thief.service": "[Service]\nExecStart=/bin/sleep infinity\n",
		},
		happens: func(s *site) string {
			s.must(s.manager.Start(s.ctx, "web.service"))
			if _, err := s.manager.Systemctl(s.ctx, "start", "thief.socket"); err != nil {
				return "" // the address is taken
			}
			defer s.manager.Systemctl(context.Background(), "stop", "thief.socket", "thief.service")
			for range 64 { // each goes to one of the two queues
				if why := s.unansweredWithin("/", 100*time.Millisecond); why != "" {
					return why
				}
			}
			return ""
		}},
	{rule: "backlog", bad: socket("Backlog=1"),
		happens: func(s *site) string {
			s.must(s.manager.Start(s.ctx, "web.service"))
			s.must(s.signal("STOP"))
			defer s.signal("CONT")
			for range 64 {
				c, err := s.machine.Dial(s.ctx, "unix", "/run/web.sock")
				if err != nil {
					return err.Error()
				}
				defer c.Close()
			}
			return ""
		}},
	{rule: "fd-name", bad: socket("FileDescriptorName="), happens: startFails},
	{rule: "fd-name-reserved", bad: socket("FileDescriptorName=instar.http"), happens: startFails},
	{rule: "wanted-by", bad: map[string]string{"web.socket.d/bad.conf": "[Install]\nWantedBy=\n"},
		happens: func(s *site) string {
			_, err := s.manager.Systemctl(s.ctx, "enable", "--quiet", "web.socket")
			state, _ := s.manager.Systemctl(s.ctx, "is-enabled", "web.socket")
			s.manager.Systemctl(s.ctx, "disable", "--quiet", "web.socket")
			if err != nil || strings.TrimSpace(state) != "enabled" {
				return "after systemctl enable it is " + strings.TrimSpace(state)
			}
			return ""
		}},

	{rule: "restart", bad: service("Restart=no"),
		happens: func(s *site) string {
			s.must(s.manager.Start(s.ctx, "web.service"))
			s.must(s.signal("KILL"))
			s.eventually("it is restarted or given up", func() bool {
				return s.show("web", "ActiveState") == "failed" || s.show("web", "NRestarts") == "1"
			})
			if s.show("web", "NRestarts") == "0" {
				return "it is down"
			}
			return ""
		}},
	{rule: "start-limit", bad: map[string]string{"web.service.d/bad.conf": "[Unit]\nStartLimitIntervalSec=10s\n"},
		with: map[string]string{"web.service.d/a.conf": "[Service]\nExecStart=\nExecStart=/bin/false\nRestartSec=1ms\n"}, happens: socketGivesUp},
	{rule: "trigger-limit", bad: socket("TriggerLimitIntervalSec=1min", "TriggerLimitBurst=5"),
		with: map[string]string{"web.service.d/a.conf": "[Service]\nExecStart=\nExecStart=/bin/false\nRestart=no\n"}, happens: socketGivesUp},
	{rule: "runtime-max", bad: service("RuntimeMaxSec=1s"),
		happens: func(s *site) string {
			s.must(s.manager.Start(s.ctx, "web.service"))
			s.reload("web")
			if s.show("web", "RuntimeMaxUSec") == "infinity" {
				return "" // and nothing to wait for
			}
			s.eventually("its time is up", func() bool { return s.show("web", "NRestarts") != "0" })
			return "it was killed"
		}},
	{rule: "timeout-start", bad: service("TimeoutStartSec=1s"),
		with: map[string]string{"web.service.d/a.conf": "[Service]\nExecStartPre=/bin/sleep 2\n"}, happens: startFails},
	{rule: "timeout-stop", bad: service("TimeoutStopSec=1s"), happens: cutAtStop},

	{rule: "reload-signal", bad: service("ReloadSignal=SIGUSR2"),
		with: map[string]string{"web.service.d/a.conf": "[Service]\nTimeoutStartSec=2s\n"}, happens: reloadFails},
	{rule: "exec-reload-kill", bad: service("ExecReload=/bin/kill -HUP $MAINPID"), last: 261, // from 262 on the two signals come at once

		happens: func(s *site) string {
			if why := reloadFails(s); why != "" {
				return why
			}
			if a := s.ask("/"); a.generation != 2 {
				return fmt.Sprintf("one reload made %d upgrades", a.generation-1)
			}
			return ""
		}},
	{rule: "reload-verdict", bad: service("ExecReload=", "ExecReloadPost="),
		with: map[string]string{"web.service.d/a.conf": "[Service]\nExecReload=+/usr/bin/instar reload-verdict --phase=reload %n\nExecReloadPost=+/usr/bin/instar reload-verdict --phase=post %n\n"},
		happens: func(s *site) string {
			s.instar()
			s.onBus("web")
			s.release("web", "integration/greet", "version=v1")
			s.must(s.manager.Start(s.ctx, "web.service"))
			s.release("web", "integration/faulty", "version=bad", "fault=crash")
			if err := s.manager.Reload(s.ctx, "web.service"); err != nil {
				return ""
			}
			return "systemctl reload has succeeded, and it answers as build " + s.ask("/").build
		}},

	{rule: "reload-sandbox", bad: service("ExecReload=", "ExecReloadPost=", "ExecReload=/usr/bin/instar reload-verdict --phase=reload %n"), last: 258,
		with:   map[string]string{"web.service.d/a.conf": "[Service]\nExecReload=+/usr/bin/instar reload-verdict --phase=reload %n\n"},
		before: func(s *site) { s.instar() },
		happens: func(s *site) string {
			s.must(s.manager.Start(s.ctx, "web.service"))
			s.reload("web")
			_, err := s.machine.Run(s.ctx, "sh", "-c", "rm -rf /tmp/* /var/tmp/*")
			s.must(err)
			return said(s.manager.Reload(s.ctx, "web.service"))
		}},

	{rule: "credentials", bad: service("LoadCredential=token:/etc/token"),
		before: func(s *site) { s.must(s.machine.WriteFile("/etc/token", []byte("one"), 0o600)) },
		happens: func(s *site) string {
			s.must(s.manager.Start(s.ctx, "web.service"))
			s.must(s.machine.WriteFile("/etc/token", []byte("two"), 0o600))
			s.upgrade("web")
			text, err := s.machine.Run(s.ctx, "cat", "/run/credentials/web.service/token")
			if err == nil && text != "two" {
				return "the successor has credential " + text
			}
			return ""
		}},
	{rule: "output-file", bad: service("StandardOutput=append:/var/log/web.log"),
		happens: func(s *site) string {
			s.must(s.manager.Start(s.ctx, "web.service"))
			s.machine.Run(s.ctx, "mv", "/var/log/web.log", "/var/log/web.log.1")
			if file := s.ofMain("fd/1"); strings.HasSuffix(file, ".1") {
				return "it goes on writing into " + file
			}
			return ""
		}},
	{rule: "output-file", bad: service("StandardOutput=truncate:/var/log/web.log"),
		happens: func(s *site) string {
			s.must(s.manager.Start(s.ctx, "web.service"))
			s.upgrade("web") // which is logged
			s.machine.Run(s.ctx, "truncate", "--size=0", "/var/log/web.log")
			s.upgrade("web")
			if text, _ := s.machine.Run(s.ctx, "cat", "/var/log/web.log"); strings.HasPrefix(text, "\x00") {
				return "the log begins with a hole"
			}
			return ""
		}},
	{rule: "working-directory", bad: service("WorkingDirectory=/srv/shop/current"),
		before: func(s *site) {
			_, err := s.machine.Run(s.ctx, "sh", "-c", "mkdir -p /srv/shop/1 /srv/shop/2; ln -sfn 1 /srv/shop/current")
			s.must(err)
		},
		happens: func(s *site) string {
			s.must(s.manager.Start(s.ctx, "web.service"))
			_, err := s.machine.Run(s.ctx, "ln", "-sfn", "2", "/srv/shop/current")
			s.must(err)
			s.upgrade("web")
			if folder := s.ofMain("cwd"); strings.HasPrefix(folder, "/srv") && folder != "/srv/shop/2" {
				return "the successor works in " + folder
			}
			return ""
		}},
	{rule: "environment-file", bad: service("EnvironmentFile=/etc/shop.env"),
		before: func(s *site) { s.must(s.machine.WriteFile("/etc/shop.env", []byte("TOKEN=one"), 0o600)) },
		happens: func(s *site) string {
			s.must(s.manager.Start(s.ctx, "web.service"))
			s.must(s.machine.WriteFile("/etc/shop.env", []byte("TOKEN=two"), 0o600))
			s.upgrade("web")
			environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", s.mainPID("web")))
			s.must(err)
			if strings.Contains(string(environ), "TOKEN=one") {
				return "the successor has TOKEN=one"
			}
			return ""
		}},

	{rule: "store-max", bad: service("FileDescriptorStoreMax=0"), store: 4,
		with: map[string]string{"web.service.d/a.conf": "[Service]\nNotifyAccess=all\nExecStartPost=-/usr/bin/systemd-notify --fd=0 --fdname=kept\n"},
		happens: func(s *site) string {
			s.must(s.manager.Start(s.ctx, "web.service"))
			if n := s.show("web", "NFileDescriptorStore"); n == "0" {
				return "systemd has kept nothing"
			}
			return ""
		}},

	{rule: "system-call-filter", bad: service("SystemCallFilter=~socketpair"), happens: reloadFails},
	{rule: "address-families", bad: service("RestrictAddressFamilies=", "RestrictAddressFamilies=AF_INET AF_INET6"), happens: startFails},
	{rule: "private-pids", bad: service("PrivatePIDs=yes"), lowest: 257,
		happens: func(s *site) string {
			if why := startFails(s); why != "" {
				return why
			}
			predecessor := s.mainPID("web")
			if why := reloadFails(s); why != "" {
				return why
			}
			s.gone(predecessor)
			s.ask("/")
			if n := s.show("web", "NRestarts"); n != "0" {
				return "the successor died with its predecessor"
			}
			return ""
		}},
	{rule: "exec-hidden", bad: service("InaccessiblePaths=/opt/web"), happens: startFails},
	{rule: "exec-pinned", bad: service("TemporaryFileSystem=/opt:ro", "BindReadOnlyPaths=/opt/web/web"), happens: oldVersion},
	{rule: "exec-pinned", bad: service("NoExecPaths=/", "ExecPaths=/opt/web/web"), happens: oldVersion},
}

// Each rule of Verify warns of something that happens, and finds it in the live
// units.
func TestHarms(t *testing.T) {
	if os.Getenv("INSTAR_HARMS") == "" {
		t.Skip("not run: it takes minutes; make harms runs it")
	}
	onEach(t, func(t *testing.T, s *site) {
		conn := s.units()
		shown := make(map[string]bool)
		for _, h := range harms {
			shown[h.rule] = true
			if h.lowest > s.version() || h.last > 0 && h.last < s.version() {
				continue
			}
			t.Run(h.rule, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				defer cancel()
				each := *s
				each.T, each.ctx = t, ctx
				h.show(&each, conn)
			})
		}
		for _, r := range units.Rules() {
			if !shown[r.ID] && unshown[r.ID] == "" {
				t.Errorf("rule %s: no harm is shown, and no reason given", r.ID)
			}
		}
	})
}

func (h harm) show(s *site, conn *units.Conn) {
	s.Helper()
	for _, broken := range []bool{false, true} {
		if s.Failed() {
			return
		}
		s.release("web", "examples/web", "version=v1")
		s.Run(map[bool]string{false: "as written", true: "broken"}[broken], func(t *testing.T) {
			each := *s
			each.T = t
			h.try(&each, conn, broken)
		})
	}
}

func (h harm) try(s *site, conn *units.Conn, broken bool) {
	files := h.files(s, broken)
	defer func() {
		clean := context.WithoutCancel(s.ctx)
		for _, unit := range []string{"web.socket", "web-admin.socket", "web.service"} {
			s.manager.Systemctl(clean, "stop", unit) // not all of them are there
		}
		s.machine.Run(clean, "bash", "-c", "pkill -KILL -x web; rm -rf /run/web.pid /run/shop /run/private/shop")
		for name := range files {
			s.manager.RemoveUnit(name)
		}
		s.manager.DaemonReload(clean)
		s.manager.Systemctl(clean, "reset-failed")
	}()
	for name, text := range files {
		s.must(s.manager.InstallUnit(name, text))
	}
	s.must(s.manager.DaemonReload(s.ctx))
	if h.before != nil {
		h.before(s)
	}

	pair, err := conn.Pair(s.ctx, "web.service")
	s.must(err)
	findings := units.Verify(pair, units.Options{Systemd: s.version(), Store: h.store, Root: s.root()})
	found := slices.ContainsFunc(findings, func(f units.Finding) bool { return f.Rule == h.rule })
	if found != broken {
		s.Errorf("Verify of the live units finds %v", findings)
	}

	s.manager.Systemctl(s.ctx, "start", "web.socket") // some cannot
	switch seen := h.happens(s); {
	case broken && seen == "":
		s.Error("no harm came of it")
	case broken:
		s.Log(seen)
	case seen != "":
		s.Error(seen)
	}
	if s.Failed() {
		lines := strings.Split(s.journal(), "\n")
		s.Log(strings.Join(lines[max(0, len(lines)-30):], "\n"))
	}
}

// files are the units and drop-ins of one run.
func (h harm) files(s *site, broken bool) map[string]string {
	service := webService()
	service.Store = h.store
	written, err := units.Write(service)
	s.must(err)
	files := make(map[string]string)
	for _, f := range written {
		files[f.Name] = f.Text
	}
	maps.Copy(files, h.with)
	if !broken {
		return files
	}
	for name, text := range h.bad {
		if gone, ok := strings.CutPrefix(name, "-"); ok {
			delete(files, gone)
			continue
		}
		files[name] = text
	}
	files["web.service"] = strings.Replace(files["web.service"], h.edit[0], h.edit[1], 1)
	return files
}

// said is the text of an error; "" of none.
func said(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func startFails(s *site) string { return said(s.manager.Start(s.ctx, "web.service")) }

func socketFails(s *site) string { return said(s.manager.Start(s.ctx, "web.socket")) }

func reloadFails(s *site) string {
	s.must(s.manager.Start(s.ctx, "web.service"))
	return said(s.manager.Reload(s.ctx, "web.service"))
}

func sameMainPID(s *site) string {
	s.must(s.manager.Start(s.ctx, "web.service"))
	before := s.mainPID("web")
	s.manager.Reload(s.ctx, "web.service")
	if s.mainPID("web") == before {
		return s.show("web", "StatusText")
	}
	return ""
}

func oldVersion(s *site) string {
	s.must(s.manager.Start(s.ctx, "web.service"))
	s.release("web", "examples/web", "version=v2")
	s.manager.Reload(s.ctx, "web.service")
	if a := s.ask("/"); a.build != "v2" {
		return fmt.Sprintf("after an upgrade to v2, generation %d of %s answers", a.generation, a.build)
	}
	return ""
}

// hanging is a service that only SIGKILL ends, at the end of TimeoutStopSec=.
var hanging = map[string]string{"web.service.d/a.conf": "[Service]\nTimeoutStopSec=1s\nNotifyAccess=all\nExecStart=\n" +
	"ExecStart=/bin/sh -c \"trap : HUP; trap '' TERM QUIT; systemd-notify --ready; while :; do sleep 60; done\"\n"}

// outlivesStop stops a service that hangs.
func outlivesStop(s *site) string {
	s.must(s.manager.Start(s.ctx, "web.service"))
	pid := s.mainPID("web")
	defer s.machine.Run(context.WithoutCancel(s.ctx), "sh", "-c", "kill -KILL $(cat /sys/fs/cgroup/system.slice/web.service/cgroup.procs)")
	s.manager.Stop(s.ctx, "web.service")
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); err == nil {
		return "it is still there after the stop"
	}
	return ""
}

// inShop is a Unix socket in a folder.
var inShop = map[string]string{"web.socket.d/a.conf": "[Socket]\nListenStream=/run/shop/web.sock\n"}

// pathGone kills the service, and asks for it by the path of its socket.
func pathGone(s *site) string {
	s.must(s.manager.Start(s.ctx, "web.service"))
	s.must(s.signal("KILL"))
	s.eventually("it is restarted", func() bool { return s.show("web", "NRestarts") == "1" && s.mainPID("web") != 0 })
	s.must(s.manager.Stop(s.ctx, "web.service"))
	c, err := s.machine.Dial(s.ctx, "unix", "/run/shop/web.sock")
	if err == nil {
		c.Close()
	}
	return said(err)
}

// cutBy ends the service while a request is under way.
func cutBy(end func(*machine.Manager, context.Context, ...string) error) func(s *site) string {
	return func(s *site) string {
		s.must(s.manager.Start(s.ctx, "web.service"))
		answer := make(chan error, 1)
		go func() {
			_, err := s.tryAsk("/slow?d=2s")
			answer <- err
		}()
		s.eventually("the request is under way", func() bool { return strings.Contains(s.sockets(), "ESTAB") })
		s.must(end(s.manager, s.ctx, "web.service"))
		return said(<-answer)
	}
}

// ofMain is where a link in /proc of the main process goes, as the machine sees it.
func (s *site) ofMain(link string) string {
	text, err := s.machine.Run(s.ctx, "readlink", fmt.Sprintf("/proc/%s/%s", s.show("web", "MainPID"), link))
	s.must(err)
	return strings.TrimSpace(text)
}

// root is the file system of the machine.
func (s *site) root() fs.FS {
	root, err := os.OpenRoot(s.machine.Root())
	s.must(err)
	s.Cleanup(func() { root.Close() })
	return root.FS()
}

// slowPredecessor upgrades the service while a request is under way, for which
// the predecessor stays.
func (s *site) slowPredecessor(d string) (predecessor int) {
	s.Helper()
	s.must(s.manager.Start(s.ctx, "web.service"))
	predecessor = s.mainPID("web")
	go s.tryAsk("/slow?d=" + d)
	s.eventually("the request is under way", func() bool { return strings.Contains(s.sockets(), "ESTAB") })
	s.reload("web")
	return predecessor
}

// onBus lets a service on the bus that runs as a user of its name.
func (s *site) onBus(service string) {
	name, err := status.Name(service + ".service")
	s.must(err)
	policy, err := status.Policy(name, service)
	s.must(err)
	s.must(s.machine.WriteFile("/etc/sysusers.d/"+service+".conf", []byte("u "+service+" -\n"), 0o644))
	_, err = s.machine.Run(s.ctx, "systemd-sysusers")
	s.must(err)
	s.must(s.machine.WriteFile("/etc/dbus-1/system.d/"+name+".conf", []byte(policy), 0o644))
	_, err = s.manager.Systemctl(s.ctx, "reload", "dbus.service")
	s.must(err)
}

// cutAtStop stops the service while its predecessor has a request under way.
func cutAtStop(s *site) string {
	s.must(s.manager.Start(s.ctx, "web.service"))
	answer := make(chan error, 1)
	go func() {
		_, err := s.tryAsk("/slow?d=2s")
		answer <- err
	}()
	s.eventually("the request is under way", func() bool { return strings.Contains(s.sockets(), "ESTAB") })
	s.reload("web")
	s.must(s.manager.Stop(s.ctx, "web.service"))
	return said(<-answer)
}

func mainPIDFollowsFile(s *site) string {
	s.must(s.manager.Start(s.ctx, "web.service"))
	pid := s.show("web", "MainPID")
	s.must(s.machine.WriteFile("/run/web.pid", []byte(pid+"\n"), 0o644))
	predecessor := s.slowPredecessor("2s")
	if s.mainPID("web") == predecessor {
		return "while the predecessor drains, systemd takes it for the main process"
	}
	return ""
}

// socketGivesUp has a client come to a service that fails at every start.
func socketGivesUp(s *site) string {
	c, err := s.machine.Dial(s.ctx, "tcp", webAddress)
	s.must(err)
	defer c.Close()
	starts := make(map[string]bool)
	s.eventually("the socket gives up, or the service is started again and again", func() bool {
		starts[s.show("web", "InvocationID")] = true
		return len(starts) > 10 || s.socketState() == "failed"
	})
	if s.socketState() != "failed" {
		return ""
	}
	result, err := s.manager.Property(s.ctx, "web.socket", "Result")
	s.must(err)
	return fmt.Sprintf("the socket's Result=%s: %s", result, s.refused())
}

func (s *site) socketState() string {
	state, err := s.manager.Property(s.ctx, "web.socket", "ActiveState")
	s.must(err)
	return state
}

// signal sends the main process a signal.
func (s *site) signal(name string) error {
	_, err := s.manager.Systemctl(s.ctx, "kill", "--kill-whom=main", "--signal=SIG"+name, "web.service")
	return err
}

func (s *site) refused() string {
	c, err := s.machine.Dial(s.ctx, "tcp", webAddress)
	if err == nil {
		c.Close()
	}
	return said(err)
}

// unanswered asks, and says so when there is no answer in time. Where there is
// one it comes within milliseconds.
func (s *site) unanswered(path string) string { return s.unansweredWithin(path, 2*time.Second) }

func (s *site) unansweredWithin(path string, d time.Duration) string {
	answer := make(chan error, 1)
	go func() {
		_, err := s.tryAsk(path)
		answer <- err
	}()
	select {
	case err := <-answer:
		return said(err)
	case <-time.After(d):
		return fmt.Sprintf("no answer within %v", d)
	}
}
