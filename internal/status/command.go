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

	"github.com/instar-project/instar/internal/units"
	"github.com/instar-project/instar/reload"
)

// Command asks systemd for the command of the next generation.
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
