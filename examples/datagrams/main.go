// Datagrams is a whole UDP service: it answers each datagram with the same in capitals.
package main

import (
	"bytes"
	"context"
	"net"

	"github.com/instar-project/instar/reload"
	"github.com/instar-project/instar/status"
)

func main() { reload.Main(reload.Config{}, status.Exported(serve)) }

func serve(ctx context.Context, svc *reload.Service) error {
	pc, err := svc.PacketConn("datagrams") // FileDescriptorName=datagrams in datagrams.socket
	if err != nil {
		return err
	}
	return svc.Serve(ctx, reload.Packets(pc, func(datagram []byte, from net.Addr) []byte {
		return bytes.ToUpper(datagram)
	}))
}
