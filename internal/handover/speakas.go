package handover

import "fmt"

// beyond turns a datagram into the ones that a later minor version may send in its
// place, if this build is to speak as one: a message of a new type first, and then
// that one with new fields.
var beyond func(datagram []byte) (before, instead []byte)

// SpeakAs makes this build speak as one of another version, so that tests see two
// builds meet. As a later minor version it adds messages and fields that this one
// does not know. Call it before the first message.
func SpeakAs(text string) error {
	var v Version
	if n, err := fmt.Sscanf(text, "%d.%d", &v.Major, &v.Minor); n != 2 {
		return fmt.Errorf("handover: %q is no version of the protocol: %w", text, err)
	}
	if v.Major == Current.Major && v.Minor > Current.Minor {
		beyond = func(datagram []byte) (before, instead []byte) {
			instead = fmt.Appendf(nil, `%s,"since_%s":{"other":["shapes",null,1]}}`, datagram[:len(datagram)-1], v)
			return fmt.Appendf(nil, `{"type":"since-%s","protocol":"of another shape"}`, v), instead
		}
	}
	Current = v
	return nil
}
