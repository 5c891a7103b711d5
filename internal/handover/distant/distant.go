// Package distant knows what a later minor version of the handover protocol may send, so
// that tests see two builds meet.
package distant

import "fmt"

// Datagrams returns the datagrams that a later version, such as "1.99", may send in the
// place of one: a message of a new type first, and then that one with new fields.
func Datagrams(version string, datagram []byte) (before, instead []byte) {
	instead = fmt.Appendf(nil, `%s,"since_%s":{"other":["shapes",null,1]}}`, datagram[:len(datagram)-1], version)
	return fmt.Appendf(nil, `{"type":"since-%s","protocol":"of another shape"}`, version), instead
}
