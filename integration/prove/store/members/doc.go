// Package members is clients of examples/chat that count their losses. They join
// their rooms, say numbered lines, and check that each line of every other member
// of the room comes once and in order, whatever happens to the service.
//
//	m, err := members.Join(ctx, members.Config{Dial: machine.Dial, ...})
//	// upgrade it, restart it, kill it
//	counts := m.Stop(ctx)
//
// Beside them newcomers come and go all the time: they find out whether a connection
// is ever refused.
package members
