package notifytest

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// waitLimit is how long Wait waits before it calls the test failed.
const waitLimit = 10 * time.Second

// Wait returns the first message that matches, among those after the message that
// the Wait before returned, and blocks until there is one: a row of Waits reads as
// the order of events. If none comes within ten seconds the test fails, with a list
// of those that came instead. Like [testing.T.Fatal] it belongs in the test's
// goroutine.
func (m *Manager) Wait(match func(Message) bool) Message {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), waitLimit)
	defer cancel()
	message, err := m.WaitContext(ctx, match)
	if err != nil {
		m.t.Fatal(err)
	}
	return message
}

// WaitContext is [Manager.Wait] that returns an error, which wraps ctx's, once ctx
// is done.
func (m *Manager) WaitContext(ctx context.Context, match func(Message) bool) (Message, error) {
	for {
		// match is the caller's code and runs without the lock. Messages are only
		// ever appended, so the ones seen here stay as they are.
		m.mu.Lock()
		passed, arrival := m.waited, m.arrival
		pending := m.messages[passed:]
		m.mu.Unlock()

		for i, message := range pending {
			if match(message) {
				m.mu.Lock()
				m.waited = passed + i + 1
				m.mu.Unlock()
				return message, nil
			}
		}
		select {
		case <-arrival:
		case <-ctx.Done():
			return Message{}, fmt.Errorf("notifytest: no such message: %w; received since the last Wait: %s", context.Cause(ctx), list(pending))
		}
	}
}

func list(messages []Message) string {
	if len(messages) == 0 {
		return "nothing"
	}
	var s strings.Builder
	for _, message := range messages {
		fmt.Fprintf(&s, "\n\t%v", message)
	}
	return s.String()
}
