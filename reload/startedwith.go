package reload

import (
	"fmt"

	"github.com/instar-project/instar/internal/handover"
)

// MaxStartedWith is how long the text of SetStartedWith may be.
const MaxStartedWith = handover.MaxStartedWith

// StartedWith is what was noted with SetStartedWith, by this generation or one before
// it; "" if nothing was.
func (s *Service) StartedWith() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.startedWith
}

// SetStartedWith notes how systemd has started the service, in a text for every later
// generation to know: its sandbox and its limits come from there, whatever the unit
// says by then. A service that systemd starts anew begins without. The error is that
// of a text longer than MaxStartedWith.
//
// Package status uses it; there is one text a service.
func (s *Service) SetStartedWith(text string) error {
	if len(text) > MaxStartedWith {
		return fmt.Errorf("reload: SetStartedWith: %d bytes are too many, %d is the most", len(text), MaxStartedWith)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.startedWith = text
	return nil
}
