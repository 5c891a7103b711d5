package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/instar-project/instar/cmd/instar/internal/setup"
	"github.com/instar-project/instar/internal/units"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"
)

// checkFix finds flags that make no sense with --fix.
func (f *verifyFlags) checkFix() error {
	switch {
	case f.dryRun && !f.fix:
		return errors.New("--dry-run is for --fix: verify writes nothing else")
	case f.fix && (f.live || f.host != ""):
		return errors.New("--fix writes beside unit files of this machine: leave --live and --host out")
	}
	return nil
}

// change is a drop-in as it is and as it is to be; "" is for none.
type change struct{ file, before, after string }

// cure shows the drop-ins that cure a service, writes them, and makes systemd read
// them.
func (f *verifyFlags) cure(cmd *cobra.Command, t target, o units.Options) error {
	changes, err := f.changes(t, o)
	if err != nil || len(changes) == 0 {
		return err
	}
	out := cmd.OutOrStdout()
	if f.json {
		out = cmd.ErrOrStderr()
	}
	for _, c := range changes {
		if _, err := out.Write(c.diff()); err != nil {
			return err
		}
	}
	if f.dryRun {
		return nil
	}
	for _, c := range changes {
		if err := c.write(); err != nil {
			return err
		}
	}
	home, _ := os.UserHomeDir()
	if !slices.Contains(units.SearchPath(f.scope(), home), t.folder) || !booted() {
		return nil
	}
	reload := []string{"systemctl", "--" + f.scope().String(), "daemon-reload"}
	if err := command(cmd, reload); err != nil {
		return err
	}
	complain(cmd.ErrOrStderr(), "systemd has read the changes; settings that it applies at a start take a systemctl restart %s", t.pair.Service.Name)
	return nil
}

// changes are those of the drop-ins of a service and its sockets.
func (f *verifyFlags) changes(t target, o units.Options) ([]change, error) {
	dropIns, _ := units.Cure(t.pair, o)
	var all []change
	for _, u := range append([]*units.Unit{t.pair.Service}, t.pair.Sockets...) {
		name := filepath.Join(u.Name+".d", units.CureName)
		c := change{file: filepath.Join(t.folder, name)}
		if i := slices.IndexFunc(dropIns, func(d units.File) bool { return d.Name == name }); i >= 0 {
			c.after = dropIns[i].Text
		}
		before, err := os.ReadFile(c.file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if c.before = string(before); c.before != c.after {
			all = append(all, c)
		}
	}
	return all, nil
}

func (c change) diff() []byte {
	name := func(text string) string {
		if text == "" {
			return os.DevNull
		}
		return c.file
	}
	return diff.Diff(name(c.before), []byte(c.before), name(c.after), []byte(c.after))
}

func (c change) write() error {
	if c.after == "" {
		return os.Remove(c.file)
	}
	return setup.File{Path: c.file, Text: c.after}.Write()
}
