package units

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
)

// Names are the names of the units that match any of the patterns, such as
// "*.service": those that systemd has loaded, and those that it has a file of.
// Templates are left out. No pattern: all units. A pattern is one of glob(7).
func (c *Conn) Names(ctx context.Context, patterns ...string) ([]string, error) {
	loaded, err := c.systemd.ListUnitsByPatternsContext(ctx, nil, patterns)
	if err != nil {
		return nil, c.failed("Names", "", err)
	}
	files, err := c.systemd.ListUnitFilesByPatternsContext(ctx, nil, patterns)
	if err != nil {
		return nil, c.failed("Names", "", err)
	}
	var names []string
	for _, u := range loaded {
		if u.LoadState != "not-found" { // another unit names it, that is all
			names = append(names, u.Name)
		}
	}
	for _, f := range files {
		if name := filepath.Base(f.Path); !strings.Contains(name, "@.") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}
