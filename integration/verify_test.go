package integration

import (
	"context"
	"strings"
	"testing"

	"github.com/instar-project/instar/integration/machine"
)

// cli runs the command line in the machine and returns its output. Findings are no
// error here.
func (d statusd) cli(args ...string) string {
	out, _ := d.manager.Run(d.ctx, d.command(), args...)
	return out
}

// says wants a text in a command's output.
func (d statusd) says(text string, args ...string) {
	d.Helper()
	if said := d.cli(args...); !strings.Contains(said, text) {
		d.Errorf("instar %s says\n%swant %q", strings.Join(args, " "), said, text)
	}
}

// Differences between a running service and its units since its start are in verify
// --live and in status: sockets that systemd has no more, a socket of its own, a store
// that was taken away, a stop without a request.
func TestVerifyRunning(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		d := installStatusd(s)
		d.generation(1)
		live := []string{"verify", "--live", "--no-analyze", "statusd"}
		quiet := func() {
			t.Helper()
			for _, said := range []string{d.cli(live...), d.cli("status", "statusd")} {
				for _, word := range []string{"socket-stale", "own-socket", "store-max", "problem", "own "} {
					if strings.Contains(said, word) {
						t.Fatalf("where all is well it says\n%s", said)
					}
				}
			}
		}
		quiet()
		restart := func(units ...string) {
			t.Helper()
			s.must(s.manager.ResetFailed(s.ctx, "statusd.socket", "statusd.service")) // the limits of starts
			if err := s.manager.Restart(s.ctx, units...); err != nil {
				t.Fatal(err, s.journal())
			}
			d.generation(1)
		}

		// Each edit of the .socket, and the remedy for the next start.
		drop := func(unit, text string) {
			t.Helper()
			s.must(s.manager.InstallUnit(unit+".d/test.conf", text))
			s.must(s.manager.DaemonReload(s.ctx))
		}
		for _, edit := range []struct{ lines, want string }{
			{"ListenStream=\nListenStream=/run/moved.sock\n", "systemd has closed its copy of unix /run/statusd.sock"},
			{"ListenStream=127.0.0.1:9017\n", "it has tcp 127.0.0.1:9017, and the running service has not"},
			{"FileDescriptorName=other\n", "the name of unix /run/statusd.sock is other now, and who in the running service"},
		} {
			drop("statusd.socket", "[Socket]\n"+edit.lines)
			s.reload("statusd") // which works all the same
			for _, args := range [][]string{live, {"status", "statusd"}} {
				d.says(edit.want, args...)
				d.says("systemctl restart statusd.socket statusd.service", args...)
			}
			s.must(s.manager.RemoveUnit("statusd.socket.d/test.conf"))
			s.must(s.manager.DaemonReload(s.ctx))
			restart("statusd.socket", "statusd.service")
			quiet()
		}
		// Edited, and edited back: only systemd knows that it has let go.
		drop("statusd.socket", "[Socket]\nListenStream=\nListenStream=/run/moved.sock\n")
		s.must(s.manager.RemoveUnit("statusd.socket.d/test.conf"))
		s.must(s.manager.DaemonReload(s.ctx))
		d.says("systemd has closed its copy of unix /run/statusd.sock", live...)
		restart("statusd.socket", "statusd.service")

		_, err := s.machine.Run(s.ctx, "rm", "/run/statusd.sock")
		s.must(err)
		d.says("/run/statusd.sock is gone", live...)
		s.must(s.manager.InstallUnit("thief.socket", "[Socket]\nListenStream=/run/statusd.sock\n"))
		s.must(s.manager.InstallUnit("thief.service", "[Service]\nExecStart=/bin/true\n"))
		s.must(s.manager.Start(s.ctx, "thief.socket"))
		d.says("/run/statusd.sock is another socket now", live...)
		s.must(s.manager.Stop(s.ctx, "thief.socket"))
		restart("statusd.socket", "statusd.service")
		quiet()

		// Sockets of its own are found in the network of its own that the unit gives it,
		// and in the machine's.
		for _, private := range []string{"yes", "no"} {
			drop("statusd.service", "[Service]\nRestrictAddressFamilies=AF_INET\nPrivateNetwork="+private+"\n")
			s.release("statusd", "integration/statusd", "version=own", "own=127.0.0.1:9931")
			restart("statusd.service")
			d.says("         own  tcp 127.0.0.1:9931: not from systemd, the next generation cannot bind it\n", "status", "statusd")
			d.says("ListenStream=127.0.0.1:9931", live...)
		}

		// A store that is taken away.
		drop("statusd.service", "[Service]\nFileDescriptorStoreMax=4\n")
		s.release("statusd", "integration/statusd", "version=keeps", "keeps=yes")
		restart("statusd.service")
		quiet()
		drop("statusd.service", "[Service]\nFileDescriptorStoreMax=0\n")
		d.says("write FileDescriptorStoreMax=4", "status", "statusd")
		d.says("write FileDescriptorStoreMax=4", live...)

		// A process of the service says STOPPING=1.
		drop("statusd.service", "[Service]\nFileDescriptorStoreMax=4\nNotifyAccess=all\nTimeoutStopSec=1min\n")
		restart("statusd.service")
		_, err = s.machine.Run(s.ctx, "sh", "-c", "echo $$ >/sys/fs/cgroup/system.slice/statusd.service/cgroup.procs; NOTIFY_SOCKET=/run/systemd/notify systemd-notify --stopping")
		s.must(err)
		d.says("without a request", "status", "statusd")
		d.says("without a request", live...)
	})
}

// Units as they are found in the wild, cured: --fix shows its drop-ins and writes them,
// systemd has them, and nothing is lost any more.
func TestVerifyFix(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		d := statusd{s}
		cli, err := builder.Build(s.ctx, "cmd/instar")
		s.must(err)
		s.must(s.machine.CopyIn(cli, d.command(), 0o755))
		s.release("web", "examples/web", "version=v1")
		s.must(s.manager.InstallUnit("web.socket", "[Socket]\nFileDescriptorName=http\nListenStream=8080\nListenStream=/run/web/web.sock\n[Install]\nWantedBy=sockets.target\n"))
		s.must(s.manager.InstallUnit("web.service", `[Unit]
Requires=web.socket
[Service]
Type=notify
ExecStart=/bin/sh -c "/opt/web/web"
ExecReload=/bin/kill -HUP $MAINPID
ExecStop=/bin/kill -QUIT $MAINPID
RuntimeDirectory=web
KillMode=mixed
`))
		s.must(s.manager.InstallUnit("web.service.d/override.conf", "[Service]\nRestartKillSignal=SIGQUIT\nRestart=always\n"))
		s.must(s.manager.DaemonReload(s.ctx))
		if out := d.cli("verify", "--no-analyze", "--fix", "--dry-run", "web"); !strings.Contains(out, "\n+KillMode=control-group\n") || s.show("web", "KillMode") != "mixed" {
			t.Errorf("a dry run, after which KillMode=%s:\n%s", s.show("web", "KillMode"), out)
		}
		out, err := s.manager.Run(s.ctx, d.command(), "verify", "--no-analyze", "--fix", "--strict", "web")
		if err != nil || !strings.HasSuffix(out, "web.service: nothing to say\n") {
			t.Fatalf("%v\n%s", err, out)
		}
		if mode := s.show("web", "KillMode"); mode != "control-group" {
			t.Errorf("systemd has KillMode=%s", mode)
		}
		if out, err := s.manager.Run(s.ctx, d.command(), "verify", "--live", "--no-analyze", "--strict", "web"); err != nil {
			t.Errorf("verify --live: %v\n%s", err, out)
		}

		s.must(s.manager.Start(s.ctx, "web.socket", "web.service"))
		s.release("web", "examples/web", "version=v2")
		predecessor := s.mainPID("web")
		s.upgrade("web")
		s.gone(predecessor)
		if a := s.ask("/"); a.generation != 2 || a.build != "v2" {
			t.Errorf("after the upgrade it answers as %+v", a)
		}
		for _, end := range []func(*machine.Manager, context.Context, ...string) error{(*machine.Manager).Restart, (*machine.Manager).Stop} {
			if cut := cutBy(end)(s); cut != "" {
				t.Errorf("a request is cut: %s\n%s", cut, s.journal())
			}
		}
		c, err := s.machine.Dial(s.ctx, "unix", "/run/web/web.sock")
		s.must(err)
		c.Close()
	})
}
