package units

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Pair reads a service and its sockets as the running systemd has them, drop-ins
// and defaults included, for [Verify]. Findings about it have no file and no line.
// It does not see changes of the files that the manager has not loaded: see
// Status.NeedDaemonReload.
//
// The error has [ErrNotFound] when systemd knows no such service.
func (c *Conn) Pair(ctx context.Context, service string) (Pair, error) {
	p, err := c.properties(ctx, service)
	if err != nil {
		return Pair{}, c.failed("Pair", service, err)
	}
	if load := p.text("LoadState"); load != "loaded" {
		return Pair{}, c.failed("Pair", service, fmt.Errorf("%w: LoadState=%s", ErrNotFound, load))
	}
	pair := Pair{Service: liveUnit(service, p)}
	sockets := append(p.list("TriggeredBy"), socketsNamedBy(pair.Service)...)
	sockets = append(sockets, pair.Service.base()+".socket")
	slices.Sort(sockets)
	for _, name := range slices.Compact(sockets) {
		if !strings.HasSuffix(name, ".socket") {
			continue // a timer or a path
		}
		p, err := c.properties(ctx, name)
		if err != nil {
			return Pair{}, c.failed("Pair", name, err)
		}
		if p.text("LoadState") == "loaded" {
			pair.Sockets = append(pair.Sockets, liveUnit(name, p))
		}
	}
	if pair.Service.stores() {
		pair.SameUser, err = c.sharing(ctx, pair.Service)
	}
	return pair, err
}

// sharing are the other services that run, have a store, and run as the same user.
func (c *Conn) sharing(ctx context.Context, service *Unit) ([]*Unit, error) {
	loaded, err := c.systemd.ListUnitsByPatternsContext(ctx, []string{"active"}, []string{"*.service"})
	if err != nil {
		return nil, c.failed("Pair", service.Name, err)
	}
	var all []*Unit
	for _, l := range loaded {
		if l.Name == service.Name {
			continue
		}
		p, err := c.properties(ctx, l.Name)
		if err != nil {
			return nil, c.failed("Pair", l.Name, err)
		}
		if other := liveUnit(l.Name, p); other.stores() && other.user() == service.user() {
			all = append(all, other)
		}
	}
	return all, nil
}
