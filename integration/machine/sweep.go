package machine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// Sweep removes the machines whose owner ended without Close. Machines that have
// an owner, in this process or another, are left alone.
//
// Boot sweeps first, so a call of one's own is only for tidying up.
func Sweep(ctx context.Context) error {
	h, err := mountedHierarchies()
	if err != nil {
		return err
	}
	found, err := filepath.Glob(filepath.Join(h.unified, namePrefix+"*"))
	if err != nil {
		return err
	}
	var errs []error
	for _, path := range found {
		// A unit of the host's own systemd may have such a name too.
		if info, err := os.Stat(path); err != nil || !info.IsDir() || strings.Contains(filepath.Base(path), ".") {
			continue
		}
		c, err := lockCgroup(h, filepath.Base(path))
		if err != nil {
			errs = append(errs, err)
		} else if c != nil {
			errs = append(errs, c.remove(ctx))
		}
	}
	return errors.Join(errs...)
}
