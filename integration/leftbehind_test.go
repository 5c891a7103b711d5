package integration

import (
	"bufio"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/instar-project/instar/internal/status"
	"github.com/instar-project/instar/internal/verdict"
)

// installHeir is a site with a service of integration/heir in the place of statusd, with
// these lines in [Service], not yet started. It runs as root unless they say
// otherwise. Its TimeoutStopSec= is a problem, by which needed knows that it has looked at
// its unit.
func installHeir(s *site, lines ...string) statusd {
	s.Helper()
	cli, err := builder.Build(s.ctx, "cmd/instar")
	s.must(err)
	d := statusd{s}
	s.must(s.manager.Host().CopyIn(cli, d.command(), 0o755))
	for _, user := range []string{"root", "statusd"} {
		text, err := status.Policy(statusdName, user)
		s.must(err)
		s.must(s.manager.Host().WriteFile("/etc/dbus-1/system.d/"+user+".conf", []byte(text), 0o644))
	}
	s.must(s.manager.Host().WriteFile("/etc/sysusers.d/statusd.conf", []byte("u statusd -\n"), 0o644))
	_, err = s.manager.Run(s.ctx, "systemd-sysusers")
	s.must(err)
	_, err = d.busctl("call", "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "ReloadConfig")
	s.must(err)
	s.release("statusd", "integration/heir")
	s.must(s.manager.InstallUnit("statusd.socket", statusdSocket))
	s.must(s.manager.InstallUnit("statusd.service", `[Unit]
Requires=statusd.socket
After=statusd.socket

[Service]
Type=notify-reload
NotifyAccess=main
ExecStart=/opt/statusd/statusd
ExecReload=/opt/instar/instar reload-verdict --phase=reload %n
Restart=always
RestartSec=100ms
TimeoutStopSec=9s
`+strings.Join(lines, "\n")+"\n"))
	s.must(s.manager.DaemonReload(s.ctx))
	return d
}

// heir says how the next generation is, in the words of integration/heir.
func (d statusd) heir(words string) {
	d.Helper()
	d.must(d.manager.Host().WriteFile("/etc/heir", []byte(words), 0o644))
}

func (d statusd) start(words string) {
	d.Helper()
	d.heir(words)
	d.must(d.manager.Start(d.ctx, "statusd.socket", "statusd.service"))
	d.generation(1)
	d.needed("")
}

// wants asks the service a question; the build that answers is part of the answer.
func (d statusd) wants(question, answer string) {
	d.Helper()
	c, err := d.manager.Host().Dial(d.ctx, "unix", "/run/statusd.sock")
	d.must(err)
	defer c.Close()
	_, err = fmt.Fprintln(c, question)
	d.must(err)
	line, err := bufio.NewReader(c).ReadString('\n')
	d.must(err)
	if got := strings.TrimSpace(line); got != answer {
		d.Errorf("%q is answered by %q, want %q\n%s", question, got, answer, d.journal())
	}
}

// needed waits until the lines of RestartNeeded, put together by "; ", match an expression.
func (d statusd) needed(expression string) {
	d.Helper()
	want := regexp.MustCompile("^" + expression + "$")
	var got string
	d.eventually("RestartNeeded matches "+expression, func() bool {
		var list struct{ Data []string }
		d.must(json.Unmarshal([]byte(d.get("RestartNeeded")), &list))
		if now := strings.Join(list.Data, "; "); now != got {
			got = now
			d.Logf("RestartNeeded: %s", got)
		}
		return want.MatchString(got) && strings.Contains(d.get("UnitProblems"), "[timeout-stop]")
	})
}

// leftBehind is the list in the last verdict in the journal.
func (d statusd) leftBehind() string {
	d.Helper()
	d.must(d.machine.SyncJournal(d.ctx))
	out, err := d.run("journalctl", "--boot", "--output=json", "--lines=1", "MESSAGE_ID="+verdict.MessageID)
	d.must(err)
	var entry struct {
		Left string `json:"INSTAR_LEFT_BEHIND"`
	}
	d.must(json.Unmarshal([]byte(out), &entry))
	return entry.Left
}

// A deployment that moves a symlink moves the working directory as well, if the service
// asks systemd or knows the symlink itself. If it does not, it says so; and a directory
// that has gone is no place for a successor.
func TestWorkingDirectoryMoves(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		d := installHeir(s, "WorkingDirectory=/srv/app/current", "ExecStart=", "ExecStart=/srv/app/current/heir")
		deploy := func(n int, words string) {
			t.Helper()
			d.heir(fmt.Sprintf("build=v%d %s", n, words))
			release := fmt.Sprintf("/srv/app/releases/%d", n)
			s.must(s.manager.Host().WriteFile(release+"/page", fmt.Appendf(nil, "page %d\n", n), 0o644))
			_, err := s.run("sh", "-c", "ln -s /opt/statusd/statusd "+release+"/heir && ln -sfn "+release+" /srv/app/new && mv -T /srv/app/new /srv/app/current")
			s.must(err)
		}
		upgrade := func(n int) {
			t.Helper()
			s.reload("statusd")
			d.generation(n)
		}
		deploy(1, "follow")
		d.start("build=v1 follow")
		d.wants("file page", "v1 page 1")
		deploy(2, "directory=/srv/app/current")
		upgrade(2)
		d.wants("file page", "v2 page 2")
		deploy(3, "")
		upgrade(3)
		d.wants("file page", "v3 page 3")
		d.needed("")

		deploy(4, "")
		upgrade(4)
		d.wants("file page", "v4 page 3")
		d.needed(`WorkingDirectory=/srv/app/current, which is /srv/app/releases/4 \(the service runs in /srv/app/releases/3\)`)
		s.must(s.manager.Host().Remove("/srv/app/releases/3"))
		if err := s.manager.Reload(s.ctx, "statusd.service"); err == nil {
			t.Error("a reload succeeds into a directory that has gone")
		}
		if journal := s.logOf(d); !strings.Contains(journal, "the working directory of the next generation: stat /srv/app/releases/3: no such file or directory") {
			t.Errorf("the journal does not say why\n%s", journal)
		}
		d.wants("args", "v4 /srv/app/current/heir")
		s.must(s.manager.Restart(s.ctx, "statusd.service"))
		d.generation(1)
		d.wants("file page", "v4 page 4")
	})
}

// Variables of a file that root alone may read stay as they are, and that is said; where
// the file can be read, those that have left it are gone.
func TestEnvironmentFileOfRoot(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		const file = "/etc/statusd.env"
		write := func(mode int, lines ...string) {
			t.Helper()
			s.must(s.manager.Host().WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o644))
			_, err := s.run("chmod", fmt.Sprintf("%o", mode), file)
			s.must(err)
		}
		d := installHeir(s, "DynamicUser=yes", "StateDirectory=heir", "Environment=TOKEN=default MODE=one", "EnvironmentFile="+file)
		write(0o600, "TOKEN=one", "OLD=there")
		d.start("build=v1 follow reshape")

		const unread = "EnvironmentFile=/etc/statusd.env: permission denied; its variables are those of the last start"
		write(0o600, "TOKEN=two")
		s.must(s.manager.InstallUnit("statusd.service.d/mode.conf", "[Service]\nEnvironment=MODE=two\n"))
		s.must(s.manager.DaemonReload(s.ctx))
		s.reload("statusd")
		d.generation(2)
		d.wants("env TOKEN", "v1 one")
		d.wants("env MODE", "v1 two")
		d.wants("args", "v1 serve")
		d.needed(unread)
		if left := d.leftBehind(); left != unread {
			t.Errorf("the verdict's INSTAR_LEFT_BEHIND is %q, want %q", left, unread)
		}
		said, err := s.run(d.command(), "upgrade", "statusd")
		s.must(err)
		if !strings.Contains(said, "; left behind: "+unread) {
			t.Errorf("instar upgrade says %q", said)
		}
		if said, err = s.run(d.command(), "status", "statusd"); err != nil || !strings.Contains(said, "restart for  "+unread) {
			t.Errorf("instar status says %q, %v", said, err)
		}
		d.generation(3)

		write(0o644, "TOKEN=three", "NEW=here")
		s.reload("statusd")
		d.generation(4)
		d.wants("env TOKEN", "v1 three")
		d.wants("env NEW", "v1 here")
		d.wants("env OLD", "v1")
		d.wants("env STATE_DIRECTORY", "v1 /var/lib/heir")
		write(0o644, "TOKEN=four")
		s.reload("statusd")
		d.generation(5)
		d.wants("env TOKEN", "v1 four")
		d.wants("env NEW", "v1")
		d.needed("")
		write(0o600, "TOKEN=five")
		s.reload("statusd")
		d.generation(6)
		d.wants("env TOKEN", "v1 four")
		d.needed(unread)
		// It writes to a pipe of its own in the place of stderr; its predecessor had one too.
		d.wants("log generation 6 logs", "v1")
		s.eventually("generation 6 logs", func() bool { return strings.Contains(s.logOf(d), "generation 6 logs") })
		if n := s.show("statusd", "NRestarts"); n != "0" {
			t.Errorf("NRestarts=%s", n)
		}
	})
}

// A log file that was rotated is another one for the next generation, and where it may not
// be opened that is said.
func TestLogRotation(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		const file = "/var/log/heir.log"
		d := installHeir(s, "StandardOutput=append:"+file)
		d.start("build=v1")
		d.wants("say first", "v1")
		rotate := func(generation int) (successor int) {
			t.Helper()
			_, err := s.run("mv", file, fmt.Sprintf("%s.%d", file, generation))
			s.must(err)
			s.reload("statusd")
			d.generation(generation + 1)
			return generation + 1
		}
		lines := func(path, want string) {
			t.Helper()
			out, _ := s.run("grep", "-x", "-e", "first", "-e", "second", "-e", "third", path)
			if got := strings.Join(strings.Fields(out), " "); got != want {
				t.Errorf("%s has %q, want %q", path, got, want)
			}
		}
		rotate(1)
		d.wants("say second", "v1")
		lines(file+".1", "first")
		lines(file, "second")
		d.needed("")

		s.must(s.manager.InstallUnit("statusd.service.d/user.conf", "[Service]\nUser=statusd\n"))
		s.must(s.manager.DaemonReload(s.ctx))
		s.must(s.manager.Restart(s.ctx, "statusd.service"))
		d.generation(1)
		generation := rotate(1)
		d.wants("say third", "v1")
		lines(file+".1", "second third")
		d.needed("StandardOutput=/var/log/heir.log: it was rotated, and the service goes on with the old file: open /var/log/heir.log: permission denied")
		// The path is not forgotten.
		_, err := s.run("chown", "statusd", file)
		s.must(err)
		s.reload("statusd")
		d.generation(generation + 1)
		d.wants("say third", "v1")
		lines(file, "third")
		d.needed("")
	})
}

// A credential that was renewed reaches a successor only if systemd loads it anew, and it
// is said if it does not.
func TestRenewedCredential(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		renew := func(text string) {
			t.Helper()
			s.must(s.manager.Host().WriteFile("/etc/heir.pem", []byte(text), 0o600))
		}
		const ask = "file $CREDENTIALS_DIRECTORY/tls.pem"
		const stale = "LoadCredential=tls.pem:/etc/heir.pem has changed since systemd loaded it"
		renew("one")
		d := installHeir(s, "DynamicUser=yes", "LoadCredential=tls.pem:/etc/heir.pem")
		d.start("build=v1 follow")
		d.wants(ask, "v1 one")
		s.reload("statusd")
		d.generation(2)
		d.needed("")
		renew("two")
		s.reload("statusd")
		d.generation(3)
		d.wants(ask, "v1 one")
		d.needed(stale)
		if left := d.leftBehind(); left != stale {
			t.Errorf("the verdict's INSTAR_LEFT_BEHIND is %q, want %q", left, stale)
		}
		if s.version() < 260 {
			return
		}
		s.must(s.manager.InstallUnit("statusd.service.d/refresh.conf", "[Service]\nRefreshOnReload=credentials\n"))
		s.must(s.manager.DaemonReload(s.ctx))
		s.must(s.manager.Restart(s.ctx, "statusd.service"))
		d.generation(1)
		renew("three")
		s.reload("statusd")
		d.generation(2)
		d.wants(ask, "v1 three")
		d.needed("")
	})
}
