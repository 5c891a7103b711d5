package status

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"

	"github.com/instar-project/instar/reload"
	"github.com/instar-project/instar/units"
)

// Command is for [reload.Config.Command]: an upgrade starts what ExecStart= of the unit
// says now, in what WorkingDirectory= says now, symlinks resolved anew, and with what
// Environment= and EnvironmentFile= say now, after a `systemctl daemon-reload`. Without
// it, an upgrade goes on with the arguments, the directory and the environment that
// systemd has once started the service with.
//
//	svc, err := reload.Open(reload.Config{Command: status.Command})
//
// It asks the manager that runs the unit, on its bus; if that does not answer the
// upgrade fails. Variables that the unit or one of its files does not set any more are
// gone, if a generation has seen them there. What systemd sets by itself,
// PassEnvironment= included, stays.
//
// What the service cannot have is in the verdict, see [reload.Verdict]: the variables of
// an EnvironmentFile= that systemd reads as root and the service cannot read stay as
// they are, and a credential whose source has changed is the one that was loaded at the
// start, unless RefreshOnReload=credentials is set (systemd 260 and later).
func Command(ctx context.Context, svc *reload.Service) (reload.Command, error) {
	unit, user, err := ownUnit()
	if err != nil {
		return reload.Command{}, err
	}
	conn, err := units.Dial(ctx, scopeOf(user))
	if err != nil {
		return reload.Command{}, err
	}
	defer conn.Close()
	x, err := conn.Execution(ctx, unit)
	if err != nil {
		return reload.Command{}, err
	}
	own := svc.Command()
	before, _ := parseStarted(own.StartedWith)
	variables := x.Variables()
	environ, then, doubtful := before.follow(own.Environ, variables, x.Unset)
	c := reload.Command{
		Environ:     environ,
		LeftBehind:  slices.Concat(unreadFiles(variables), doubtful, renewed(x, own.Environ, true)),
		StartedWith: then.String(),
	}
	c.Argv = slices.Clone(x.Arguments(c.Environ))
	if svc.Config().Executable == "" {
		c.Argv[0] = x.Path
	}
	c.Dir, err = directory(x, c.Environ)
	return c, err
}

func scopeOf(user bool) units.Scope {
	if user {
		return units.User
	}
	return units.System
}

// directory is where systemd would start the service now, as this process sees it.
func directory(x units.Execution, environ []string) (string, error) {
	dir := x.Directory
	switch dir {
	case "":
		dir = "/"
	case "~":
		var err error
		if dir, err = home(environ); err != nil {
			return "", fmt.Errorf("status: WorkingDirectory=~: %w", err)
		}
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) && x.DirectoryOptional {
		return "/", nil
	}
	return dir, nil
}

// otherDirectory says that the service would be started in another directory now, in a
// line. Directories are compared, not their names: one may be a symlink that has moved.
func otherDirectory(x units.Execution, own reload.Command) []string {
	if own.Dir == "" {
		return nil
	}
	dir, err := directory(x, own.Environ)
	if err != nil {
		return nil
	}
	unit, err := os.Stat(dir)
	if err != nil {
		return nil // systemd could not start the service either, or it is not to be seen
	}
	if ours, err := os.Stat(own.Dir); err == nil && os.SameFile(ours, unit) {
		return nil
	}
	line := "WorkingDirectory=" + dir
	if resolved, err := filepath.EvalSymlinks(dir); err == nil && resolved != dir {
		line += ", which is " + resolved
	}
	return []string{line + " (the service runs in " + own.Dir + ")"}
}

// home is the home of the service's user.
func home(environ []string) (string, error) {
	for _, kv := range slices.Backward(environ) {
		if dir, ok := strings.CutPrefix(kv, "HOME="); ok && dir != "" {
			return dir, nil
		}
	}
	u, err := user.Current()
	if err != nil {
		return "", err
	}
	return u.HomeDir, nil
}
