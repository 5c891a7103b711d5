// Package members is clients of examples/chat that count what they lose. They join
// their rooms, say numbered lines, and check of every other member of the room
// that each of its lines comes once and in order, whatever is done to the service.
//
//	m, err := members.Join(ctx, members.Config{Dial: machine.Dial, ...})
//	// upgrade it, restart it, kill it
//	counts := m.Stop(ctx)
//
// Beside them newcomers come and go all the time: they find out whether a connection
// is ever refused.
package members
