//go:build !instar_distant

package handover

// write writes one datagram.
func (c *Conn) write(datagram, rights []byte) error {
	_, _, err := c.sock.WriteMsgUnix(datagram, rights, nil)
	return err
}
