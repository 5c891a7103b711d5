package integration

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/instar-project/instar/internal/units"

	"github.com/rogpeppe/go-internal/testscript"
)

// scripts runs the scripts of a pattern, each with a statusd that has just been
// started, where these commands are on the path:
//
//	instar …     in the machine, or on this host with -H: then ssh is one of
//	             the machine
//	systemctl …  in the machine, and any other of inside
//	deploy VERSION [STAMP=VALUE…]  replaces the binary of statusd
//	cmpre FILE PATTERNS            compares line by line; FILE may be stdout
//	connect NETWORK ADDRESS [LINE] opens a connection, says the line, and reads one
//	disconnect                     closes all of them
//	journaled                      waits until the journal has all that was logged
//
// A user's commands run as that user.
func (d statusd) scripts(pattern string, inside ...string) {
	d.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "cli", pattern))
	d.must(err)
	bin := d.commands(append(inside, "systemctl")...)
	var open []net.Conn // the scripts run one after the other
	testscript.RunT(inTurn{d.T}, testscript.Params{
		Files:           files,
		ContinueOnError: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", bin+":"+env.Getenv("PATH"))
			d.release("statusd", "integration/statusd", "version=v1")
			_, err := d.manager.Systemctl(d.ctx, "reset-failed", "statusd.service") // the limit of starts
			d.must(err)
			d.must(d.manager.Restart(d.ctx, "statusd.service"))
			d.generation(1)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"deploy": func(ts *testscript.TestScript, _ bool, args []string) {
				path, err := builder.Build(d.ctx, "integration/statusd", append([]string{"version=" + args[0]}, args[1:]...)...)
				ts.Check(err)
				ts.Check(d.manager.Host().CopyIn(path, d.binary("statusd"), 0o755))
			},
			"cmpre": compareLines,
			"connect": func(ts *testscript.TestScript, _ bool, args []string) {
				conn, err := d.manager.Host().Dial(d.ctx, args[0], args[1])
				ts.Check(err)
				for _, line := range args[2:] {
					_, err = fmt.Fprintln(conn, line)
					ts.Check(err)
				}
				_, err = bufio.NewReader(conn).ReadString('\n')
				ts.Check(err)
				open = append(open, conn)
			},
			"disconnect": func(ts *testscript.TestScript, _ bool, _ []string) {
				for _, conn := range open {
					ts.Check(conn.Close())
				}
				open = nil
			},
			"journaled": func(ts *testscript.TestScript, _ bool, _ []string) {
				ts.Check(d.machine.SyncJournal(d.ctx))
			},
		},
	})
}

// inTurn runs scripts one after the other: they share a machine.
type inTurn struct{ *testing.T }

func (inTurn) Parallel()     {}
func (inTurn) Verbose() bool { return testing.Verbose() }
func (t inTurn) Run(name string, f func(testscript.T)) {
	t.T.Run(name, func(t *testing.T) { f(inTurn{t}) })
}

// compareLines is cmp(1) with a regular expression for each line.
func compareLines(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: cmpre FILE PATTERNS")
	}
	got := strings.Split(ts.ReadFile(args[0]), "\n")
	want := strings.Split(ts.ReadFile(args[1]), "\n")
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) {
			ts.Fatalf("%d lines, want %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
		}
		matched, err := regexp.MatchString("^(?:"+want[i]+")$", got[i])
		ts.Check(err)
		if !matched {
			ts.Fatalf("line %d is\n%s\nwant\n%s", i+1, got[i], want[i])
		}
	}
}

// commands makes a folder of scripts that run commands in the machine.
func (d statusd) commands(inside ...string) (folder string) {
	d.Helper()
	folder = d.TempDir()
	write := func(name, text string) {
		d.must(os.WriteFile(filepath.Join(folder, name), []byte("#!/bin/sh\n"+text), 0o755))
	}
	enter := func(name string) string {
		cmd := d.manager.Command(d.ctx, name)
		var words []string
		for _, w := range append([]string{"env", "-i"}, append(cmd.Env, cmd.Args...)...) {
			words = append(words, "'"+strings.ReplaceAll(w, "'", `'\''`)+"'")
		}
		return strings.Join(words, " ")
	}
	for _, name := range inside {
		write(name, "exec "+enter(name)+` "$@"`)
	}
	write("in-machine", "exec "+enter(d.command())+` "$@"`)
	cli, err := builder.Build(d.ctx, "cmd/instar")
	d.must(err)
	write("instar", `case "$*" in
*-H*) exec `+cli+` "$@" ;;
esac
exec in-machine "$@"`)
	// The command is one line for the other machine's shell: ssh -xT -p N -- HOST COMMAND….
	write("ssh", `printf '%s\n' "ssh $*" >> "$WORK/ssh.log"
while [ "$1" != -- ]; do shift; done
test "${2#root@}" = web1.example.org || { echo "ssh: Could not resolve hostname $2" >&2; exit 255; }
shift 2
exec `+enter("sh")+` -c "$*"`)
	return folder
}

// The command line as its users meet it: its output and exit status on a real
// systemd, through upgrades that succeed, fail, and are refused; by a user of the
// machine, and from another one.
func TestCommandLine(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		d := installStatusd(s)
		s.release("chat", "examples/chat", "version=v1")
		s.install("chat")
		s.must(s.manager.Start(s.ctx, "chat.service"))
		d.units()
		d.scripts("system/*.txtar", "pkill", "setpriv")
	})
}

// units tests the calls of package units that only the command line makes.
func (d statusd) units() {
	d.Helper()
	conn := d.site.units()
	status, err := conn.Query(d.ctx, "statusd.service")
	d.must(err)
	all, err := conn.Processes(d.ctx, "statusd.service")
	if err != nil || len(all) != 1 || all[0].PID != status.MainPID || all[0].Command != "/opt/statusd/statusd" || !strings.HasSuffix(all[0].Cgroup, "/statusd.service") {
		d.Errorf("Processes: %+v, %v; MainPID is %d", all, err, status.MainPID)
	}
	if pid, err := conn.ManagerPID(d.ctx); pid != 1 || err != nil {
		d.Errorf("ManagerPID: %d, %v", pid, err)
	}
	if _, err := conn.Store(d.ctx, "statusd.service"); !errors.Is(err, units.ErrStoreDisabled) {
		d.Errorf("Store of a service without one: %v", err)
	}
}

// The same on the units of a user.
func TestCommandLineUser(t *testing.T) {
	onEach(t, asUser(func(t *testing.T, s *site) {
		d := installUserStatusd(s)
		d.scripts("user/*.txtar")
	}))
}
