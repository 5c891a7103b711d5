package handover

import (
	"errors"
	"fmt"

	"github.com/instar-project/instar/internal/descriptor"
)

// Descriptor is one descriptor with the name it goes by.
type Descriptor struct {
	Name string
	FD   int
}

// VersionError says that the other end speaks a major version this build
// doesn't.
type VersionError struct{ Ours, Theirs Version }

func (e *VersionError) Error() string {
	return fmt.Sprintf("handover: the other generation speaks protocol %s, this one %s: upgrade through a release that speaks both, or restart the unit", e.Theirs, e.Ours)
}

// Greet sends the hello and, in as many messages as it takes, the descriptors,
// which stay the caller's.
func (c *Conn) Greet(h Hello, descriptors []Descriptor) error {
	h.Descriptors = len(descriptors)
	if err := c.Send(h); err != nil {
		return err
	}
	return c.sendDescriptors(descriptors)
}

// OfferState sends the state message and its descriptors, which stay the caller's.
func (c *Conn) OfferState(descriptors []Descriptor) error {
	if err := c.Send(State{Descriptors: len(descriptors)}); err != nil {
		return err
	}
	return c.sendDescriptors(descriptors)
}

func (c *Conn) sendDescriptors(descriptors []Descriptor) error {
	for len(descriptors) > 0 {
		var m Descriptors
		var fds []int
		for size := 0; len(fds) < min(len(descriptors), maxRights); {
			d := descriptors[len(fds)]
			// JSON may write a character as six.
			if size += 6*len(d.Name) + len(`"",`); size > maxDatagram/2 && len(fds) > 0 {
				break
			}
			m.Names = append(m.Names, d.Name)
			fds = append(fds, d.FD)
		}
		if err := c.Send(m, fds...); err != nil {
			return err
		}
		descriptors = descriptors[len(fds):]
	}
	return nil
}

// Greeted receives the greeting that Greet sends. The caller owns the descriptors;
// on error none is left open. A *VersionError means that the two cannot talk;
// Greeted tells the predecessor so.
func (c *Conn) Greeted() (Hello, []Descriptor, error) {
	m, fds, err := c.next()
	if err != nil {
		return Hello{}, nil, fmt.Errorf("waiting for hello: %w", err)
	}
	descriptor.CloseAll(fds) // hello carries none
	h, ok := m.(Hello)
	if !ok {
		return Hello{}, nil, fmt.Errorf("handover: %s came before hello", m.kind())
	}
	if !Current.Speaks(h.Protocol) {
		err := &VersionError{Ours: Current, Theirs: h.Protocol}
		return Hello{}, nil, errors.Join(err, c.Send(Refuse{Protocol: Current, Reason: err.Error(), Public: err.Error()}))
	}
	got, err := c.receiveDescriptors(h.Descriptors)
	if err != nil {
		return Hello{}, nil, err
	}
	return h, got, nil
}

// TakeState receives the descriptors that a State message announces. They are
// the caller's; on error none is left open.
func (c *Conn) TakeState(m State) ([]Descriptor, error) { return c.receiveDescriptors(m.Descriptors) }

func (c *Conn) receiveDescriptors(count int) ([]Descriptor, error) {
	var got []Descriptor
	fail := func(err error) ([]Descriptor, error) {
		for _, d := range got {
			descriptor.CloseAll([]int{d.FD})
		}
		return nil, err
	}
	for len(got) < count {
		m, fds, err := c.next()
		if err != nil {
			return fail(fmt.Errorf("waiting for descriptors: %w", err))
		}
		d, ok := m.(Descriptors)
		if !ok {
			descriptor.CloseAll(fds)
			return fail(fmt.Errorf("handover: %s came with %d of %d descriptors received", m.kind(), len(got), count))
		}
		if len(d.Names) != len(fds) || len(fds) == 0 {
			descriptor.CloseAll(fds)
			return fail(fmt.Errorf("handover: %d names came with %d descriptors", len(d.Names), len(fds)))
		}
		for i, name := range d.Names {
			got = append(got, Descriptor{name, fds[i]})
		}
	}
	return got, nil
}

// next is Receive without the messages a later minor version may have added.
func (c *Conn) next() (Message, []int, error) {
	for {
		m, fds, err := c.Receive()
		if errors.Is(err, ErrUnknownType) {
			continue
		}
		return m, fds, err
	}
}
