package reload

import (
	"errors"

	"github.com/instar-project/instar/internal/generation"
	"github.com/instar-project/instar/notify"
)

// beginAdopt has the Keepers adopt, beside the loop.
func (s *Service) beginAdopt() {
	outcome := func(err error) generation.Event {
		if err != nil {
			return generation.Event{Kind: generation.GaveUp, Err: err}
		}
		return generation.Event{Kind: generation.Adopted}
	}
	if !s.keeping.beginAdopt(func(err error) { s.post(nil, outcome(err)) }) {
		s.followUps = append(s.followUps, outcome(nil))
	}
}

// beginStore has the Keepers park, beside the loop. last: for
// the end of the service, not for a successor.
func (s *Service) beginStore(last bool) {
	wanted := s.successor != nil && s.successor.adopts
	outcome := func(err error) generation.Event {
		switch hung := (*hungError)(nil); {
		case errors.As(err, &hung):
			return generation.Event{Kind: generation.GaveUp, Err: err}
		case err != nil:
			return generation.Event{Kind: generation.StoreFailed, Err: err}
		}
		return generation.Event{Kind: generation.Stored, Offer: wanted || s.keeping.holds()}
	}
	if !s.keeping.beginPark(last, func(err error) { s.post(nil, outcome(err)) }) {
		s.followUps = append(s.followUps, outcome(nil))
	}
}

// offer gives the successor the contents of the store, and the right to add to them.
func (s *Service) offer() {
	s.say(notify.NotifyAccess("all"), extension(s.config.ReadyTimeout))
	all := s.keeping.contents()
	next := s.successor
	next.expect(s.config.ReadyTimeout)
	// The successor reads them one by one; the loop does not wait for that.
	go func() {
		if err := next.line.OfferState(all); err != nil {
			s.unreachable(next, err)
		}
	}()
}
