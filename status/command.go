package status

import (
	"context"
	"os"
	"slices"
	"strings"

	"github.com/instar-project/instar/reload"
	"github.com/instar-project/instar/units"
)

// Command is for [reload.Config.Command]: an upgrade starts what ExecStart= of the
// unit says now, with what Environment= and EnvironmentFile= say now, after a
// `systemctl daemon-reload`; without it, an upgrade goes on with the arguments and
// the environment that systemd has once started the service with.
//
//	svc, err := reload.Open(reload.Config{Command: status.Command})
//
// It asks the manager that runs the unit, on its bus; if that does not answer the
// upgrade fails. A file of EnvironmentFile= that the service cannot read in its
// sandbox changes nothing. Variables that are not in the unit any more are gone,
// if [Export] has seen them there when the service was started; what systemd sets
// by itself, PassEnvironment= included, stays.
func Command(ctx context.Context, svc *reload.Service) (argv, environ []string, err error) {
	unit, user, err := ownUnit()
	if err != nil {
		return nil, nil, err
	}
	conn, err := units.Dial(ctx, scopeOf(user))
	if err != nil {
		return nil, nil, err
	}
	defer conn.Close()
	x, err := conn.Execution(ctx, unit)
	if err != nil {
		return nil, nil, err
	}
	variables, _ := x.Variables()
	before, _ := parseStarted(svc.StartedWith())
	environ = environment(os.Environ(), before.Variables, variables, x.Unset)
	argv = slices.Clone(x.Arguments(environ))
	if svc.Config().Executable == "" {
		argv[0] = x.Path
	}
	return argv, environ, nil
}

func scopeOf(user bool) units.Scope {
	if user {
		return units.User
	}
	return units.System
}

// bySystemd are the variables that systemd sets itself where the unit does not: what
// the unit no longer says of them is not known here.
var bySystemd = strings.Fields("PATH LANG USER LOGNAME HOME SHELL TERM")

// environment is own, less what the unit has set before, and with what it sets now.
func environment(own, before, now, unset []string) []string {
	var all []string
	set := func(kv string) {
		name, _, _ := strings.Cut(kv, "=")
		all = slices.DeleteFunc(all, func(old string) bool { return strings.HasPrefix(old, name+"=") })
		all = append(all, kv)
	}
	for _, kv := range own {
		if name, _, _ := strings.Cut(kv, "="); !slices.Contains(before, name) || slices.Contains(bySystemd, name) {
			set(kv)
		}
	}
	for _, kv := range now {
		set(kv)
	}
	return slices.DeleteFunc(all, func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.Contains(unset, name) || slices.Contains(unset, kv)
	})
}
