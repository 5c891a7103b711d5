package site

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/instar-project/instar/integration/faulty/inject"
	"github.com/instar-project/instar/integration/load"
)

// Lane is one instance of the service. It is for one goroutine at a time, but
// for Dial and Answer.
type Lane struct {
	Site *Site
	Port int
	unit string

	seen int // verdicts of this lane that have been asked for
}

// Lane makes an instance on a port and starts it with a build.
func (s *Site) Lane(ctx context.Context, port int, build string) (*Lane, error) {
	l := &Lane{Site: s, Port: port, unit: instance(serviceUnit, port)}
	// A DynamicUser= takes orders out and writes the trace.
	if err := os.MkdirAll(l.Orders(), 0o777); err != nil {
		return nil, err
	}
	if err := os.Chmod(l.Orders(), 0o777); err != nil {
		return nil, err
	}
	if err := inject.Place(l.Orders(), nil); err != nil {
		return nil, err
	}
	if err := l.Deploy(build); err != nil {
		return nil, err
	}
	return l, s.Manager.Start(ctx, instance(socketUnit, port), l.unit)
}

// Unit is the name of the service's unit.
func (l *Lane) Unit() string { return l.unit }

// Orders is the path on this host of the directory of package inject.
func (l *Lane) Orders() string {
	return filepath.Join(l.Site.Machine.Root(), "run/faulty", strconv.Itoa(l.Port))
}

// Deploy makes a build the one that the unit starts, as a moved symlink does.
func (l *Lane) Deploy(build string) error {
	folder := filepath.Join(l.Site.Machine.Root(), "opt/faulty", strconv.Itoa(l.Port))
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	fresh := filepath.Join(folder, "faulty.new")
	if err := os.Symlink(filepath.Join(buildFolder, build), fresh); err != nil {
		return err
	}
	return os.Rename(fresh, filepath.Join(folder, "faulty"))
}

// Reload is systemctl reload.
func (l *Lane) Reload(ctx context.Context) error { return l.Site.Manager.Reload(ctx, l.unit) }

// Reset begins anew, whatever has become of the service: the last resort after a
// cell that has failed.
func (l *Lane) Reset(ctx context.Context, build string) error {
	_, _ = l.Site.Manager.Systemctl(ctx, "kill", "--kill-whom=all", "--signal=SIGKILL", l.unit)
	if err := l.Deploy(build); err != nil {
		return err
	}
	return l.Restart(ctx)
}

// Restart is systemctl restart.
func (l *Lane) Restart(ctx context.Context) error { return l.Site.Manager.Restart(ctx, l.unit) }

// Dial connects to the service.
func (l *Lane) Dial(ctx context.Context) (net.Conn, error) {
	return l.Site.Machine.Dial(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", l.Port))
}

// Who is the process that has answered a request.
type Who struct {
	PID        int // in the machine
	Generation int
	Build      string
}

// Identity reads the process out of an answer's header.
func Identity(h http.Header) (Who, error) {
	pid, err := strconv.Atoi(h.Get("X-PID"))
	if err != nil {
		return Who{}, fmt.Errorf("header X-PID: %w", err)
	}
	generation, err := strconv.Atoi(h.Get("X-Generation"))
	if err != nil {
		return Who{}, fmt.Errorf("header X-Generation: %w", err)
	}
	return Who{pid, generation, h.Get("X-Build")}, nil
}

// Ask makes one request on a connection of its own.
func (l *Lane) Ask(ctx context.Context) (Who, error) {
	response, err := load.Ask(ctx, l.Site.Dial, fmt.Sprintf("127.0.0.1:%d", l.Port), "/")
	if err != nil {
		return Who{}, err
	}
	return Identity(response.Header)
}

// Processes are the PIDs on this host of the unit's control group.
func (l *Lane) Processes() ([]int, error) { return l.Site.Processes(l.unit) }

// Condition is how systemd sees the service.
type Condition struct {
	Active   string // ActiveState and SubState: "active running"
	MainPID  int    // in the machine
	Restarts int
	Status   string
	Errno    int
}

// Condition asks systemd.
func (l *Lane) Condition(ctx context.Context) (Condition, error) {
	p, err := l.Site.Manager.Show(ctx, l.unit, "ActiveState", "SubState", "MainPID", "NRestarts", "StatusText", "StatusErrno")
	if err != nil {
		return Condition{}, err
	}
	c := Condition{Active: p["ActiveState"] + " " + p["SubState"], Status: p["StatusText"]}
	for name, value := range map[string]*int{"MainPID": &c.MainPID, "NRestarts": &c.Restarts, "StatusErrno": &c.Errno} {
		if *value, err = strconv.Atoi(p[name]); err != nil {
			return Condition{}, fmt.Errorf("%s: %s=%q", l.unit, name, p[name])
		}
	}
	return c, nil
}

// Settle waits until the service is as it is to stay: active, with one process,
// which is the main process, answers, and is not unfit. The error, when that
// takes too long, says how it is instead.
func (l *Lane) Settle(ctx context.Context, unfit func(pid int) bool) (Who, Condition, error) {
	ctx, cancel := patiently(ctx, "not settled")
	defer cancel()
	var condition Condition
	for problem := ""; ; {
		pids, err := l.Processes()
		if err != nil {
			return Who{}, condition, err
		}
		if problem = fmt.Sprintf("it has processes %v", pids); len(pids) == 1 {
			who, settled, why := l.settled(ctx, unfit)
			if condition = settled; why == "" {
				return who, condition, nil
			}
			problem = why
		}
		select {
		case <-ctx.Done():
			return Who{}, condition, fmt.Errorf("%s: %w: %s; %+v", l.unit, context.Cause(ctx), problem, condition)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (l *Lane) settled(ctx context.Context, unfit func(pid int) bool) (who Who, condition Condition, why string) {
	soon, cancel := context.WithTimeout(ctx, Scaled(time.Second))
	defer cancel()
	who, err := l.Ask(soon)
	if err != nil {
		return who, condition, err.Error()
	}
	if unfit(who.PID) {
		return who, condition, fmt.Sprintf("process %d is not fit to stay", who.PID)
	}
	condition, err = l.Condition(ctx)
	switch {
	case err != nil:
		return who, condition, err.Error()
	case condition.Active != "active running":
		return who, condition, "it is " + condition.Active
	case condition.MainPID != who.PID:
		return who, condition, fmt.Sprintf("process %d answers", who.PID)
	}
	return who, condition, ""
}

// VerdictsUpTo waits for the verdict that the process pid gives of an upgrade to
// a successor, and returns all that were given before, since the last call, and
// that one. As the journal keeps its order, none is missing.
func (l *Lane) VerdictsUpTo(ctx context.Context, pid, successor int) (before []Verdict, last Verdict, err error) {
	ctx, cancel := patiently(ctx, "no verdict")
	defer cancel()
	for {
		all, more, err := l.Site.Verdicts.of(l.unit, l.seen)
		for i, v := range all {
			if v.PID == pid && v.Successor == successor {
				l.seen += i + 1
				return all[:i], v, nil
			}
		}
		if err != nil {
			return nil, Verdict{}, err
		}
		select {
		case <-more:
		case <-ctx.Done():
			return nil, Verdict{}, fmt.Errorf("%s: process %d, successor %d: %w; those before are %+v", l.unit, pid, successor, context.Cause(ctx), all)
		}
	}
}

// Journal is the log of the unit and of systemd on it, for a cell that has failed.
func (l *Lane) Journal(ctx context.Context) (string, error) {
	return l.Site.Machine.Journal(ctx, l.unit)
}
