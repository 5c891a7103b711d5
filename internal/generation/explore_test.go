package generation

import (
	"hash/maphash"
	"os"
	"slices"
	"strings"
	"testing"
)

// explore makes every move in every order, from start until nothing is new.
func explore(t *testing.T, start *world) {
	type node struct {
		w    *world
		from *node
		by   string
	}
	story := func(n *node) string {
		var lines []string
		for ; n.from != nil; n = n.from {
			lines = append(lines, n.by)
		}
		slices.Reverse(lines)
		return strings.Join(lines, "\n\t")
	}
	// Two hashes of 64 bits: a collision would only hide one world of millions.
	seeds := [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}
	seen := make(map[[2]uint64]struct{})
	fresh := func(w *world) bool {
		key := w.key()
		k := [2]uint64{maphash.String(seeds[0], key), maphash.String(seeds[1], key)}
		_, known := seen[k]
		seen[k] = struct{}{}
		return !known
	}
	fresh(start)
	queue := []*node{{w: start}}
	moves, ends, restarts := 0, 0, 0
	for len(queue) > 0 {
		n := queue[0]
		queue[0] = nil
		queue = queue[1:]
		own, done := n.w.moves()
		if len(own) == 0 {
			ends++
			if n.w.restarted {
				restarts++
			}
			if why := n.w.stuck(); why != "" {
				t.Fatalf("%s, after\n\t%s\n%+v", why, story(n), n.w)
			}
		}
		for _, m := range append(own, done...) {
			next := &node{w: n.w.clone(), from: n, by: m.name}
			moves++
			func() {
				defer func() {
					if r := recover(); r != nil {
						t.Fatalf("%v, after\n\t%s", r, story(next))
					}
				}()
				m.make(next.w)
			}()
			if why := next.w.broken(); why != "" {
				t.Fatalf("%s, after\n\t%s", why, story(next))
			}
			if fresh(next.w) {
				queue = append(queue, next)
			}
		}
		n.w = nil // the story needs only how it came about
	}
	t.Logf("%d worlds, %d moves, %d ends, %d of them in a restart by systemd", len(seen), moves, ends, restarts)
}

func TestEveryOrder(t *testing.T) {
	const (
		probation = 1 << iota
		state
		slow
		large // millions of worlds: only with INSTAR_EXPLORE=all, see make explore
	)
	for _, c := range []struct {
		name    string
		service int
		reloads int
		faults
	}{
		{"one upgrade", 0, 1, faults{}},
		{"one upgrade and a death", 0, 1, faults{kills: 1}},
		{"one upgrade and two deaths", 0, 1, faults{kills: 2}},
		{"one upgrade and two stops", 0, 1, faults{stops: 2}},
		{"one upgrade on probation, a death and a stop", probation, 1, faults{kills: 1, stops: 1}},
		{"one upgrade on probation and two deaths", probation, 1, faults{kills: 2}},
		{"one upgrade with state", state, 1, faults{}},
		{"one upgrade with state and two deaths", state, 1, faults{kills: 2}},
		{"one upgrade with state on probation, a death and a stop", probation | state, 1, faults{kills: 1, stops: 1}},
		{"one upgrade with state, a server that fails and a death", state, 1, faults{fails: 1, kills: 1}},
		{"one upgrade with state on probation and a server that fails", probation | state, 1, faults{fails: 1}},
		{"one upgrade with state and a hang", state, 1, faults{hangs: 1}},
		{"one upgrade with state on probation and a hang", probation | state, 1, faults{hangs: 1}},
		{"one upgrade with a hang and a death", 0, 1, faults{hangs: 1, kills: 1}},
		{"one upgrade with a full queue and a death", slow, 1, faults{kills: 1}},
		{"one upgrade with state on probation and a full queue", probation | state | slow, 1, faults{}},
		{"two reloads, the first given up by systemd", state, 2, faults{jobs: 1}},
		{"two reloads on probation, the first given up by systemd", probation, 2, faults{jobs: 1}},
		{"SIGHUP to all", state, 0, faults{hangups: 1}},
		{"one upgrade and SIGHUP to all", 0, 1, faults{hangups: 1}},
		{"one upgrade on probation and SIGHUP to all", probation | large, 1, faults{hangups: 1}},
		{"two upgrades with state and a death", state, 2, faults{kills: 1}},
		{"two upgrades", 0, 2, faults{}},
		{"two upgrades and a death", 0, 2, faults{kills: 1}},
		{"two upgrades and a hang", 0, 2, faults{hangs: 1}},
		{"two upgrades and a server that fails", 0, 2, faults{fails: 1}},
		{"two upgrades on probation and a death", probation, 2, faults{kills: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.service&large != 0 && os.Getenv("INSTAR_EXPLORE") != "all" {
				t.Skip("NOT RUN: it takes minutes; make explore runs it")
			}
			t.Parallel()
			explore(t, &world{
				procs: []process{{State: First(), parent: -1, alive: true, successor: -1, probation: c.service&probation != 0}},
				state: c.service&state != 0, slow: c.service&slow != 0,
				reloads: c.reloads, faults: c.faults,
			})
		})
	}
}
