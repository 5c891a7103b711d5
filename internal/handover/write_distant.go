//go:build instar_distant

package handover

import (
	"fmt"

	"github.com/instar-project/instar/internal/handover/distant"
)

// version is what this build for tests speaks, by -ldflags=-X: it is never released.
var version string

var present = Current

func init() {
	if n, err := fmt.Sscanf(version, "%d.%d", &Current.Major, &Current.Minor); n != 2 {
		panic(fmt.Sprintf("handover: built with -tags=instar_distant and the version %q: %v", version, err))
	}
}

// write writes a datagram as that version may.
func (c *Conn) write(datagram, rights []byte) error {
	if present.Speaks(Current) && Current != present {
		var before []byte
		before, datagram = distant.Datagrams(version, datagram)
		if _, err := c.sock.Write(before); err != nil {
			return err
		}
	}
	_, _, err := c.sock.WriteMsgUnix(datagram, rights, nil)
	return err
}
