// Echo is a service on TCP, Unix stream, Unix seqpacket and UDP sockets that is
// upgraded by `systemctl reload echo`. It answers each line, or datagram, with its
// generation and the input.
//
// Beside it lie echo.service and a .socket unit for each kind of socket.
package main

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"

	"github.com/instar-project/instar/reload"
)

var version = "unstamped"

func main() {
	if err := run(context.Background()); err != nil {
		slog.Error("echo", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	svc, err := reload.Open(reload.Config{Build: version})
	if err != nil {
		return err
	}
	defer svc.Close()
	streams, err := svc.Listeners("stream") // TCP and Unix
	if err != nil {
		return err
	}
	packets, err := svc.Listener("packet")
	if err != nil {
		return err
	}
	udp, err := svc.PacketConn("udp")
	if err != nil {
		return err
	}
	answer := func(question []byte) []byte {
		return fmt.Appendf(nil, "%d %s", svc.Generation(), question)
	}
	servers := []reload.Server{
		reload.Streams(packets, func(_ context.Context, c net.Conn) { echoPackets(c, answer) }),
		reload.Packets(udp, func(datagram []byte, _ net.Addr) []byte { return answer(datagram) }),
	}
	for _, ln := range streams {
		servers = append(servers, reload.Streams(ln, func(_ context.Context, c net.Conn) { echoLines(c, answer) }))
	}
	return svc.Serve(ctx, servers...)
}

func echoLines(c net.Conn, answer func([]byte) []byte) {
	lines := bufio.NewReader(c)
	for {
		line, err := lines.ReadSlice('\n')
		if err != nil {
			return // the client has gone, or speaks in longer lines
		}
		if _, err := c.Write(answer(line)); err != nil {
			return
		}
	}
}

func echoPackets(c net.Conn, answer func([]byte) []byte) {
	buf := make([]byte, 64<<10)
	for {
		n, err := c.Read(buf) // one packet
		if err != nil {
			return
		}
		if _, err := c.Write(answer(buf[:n])); err != nil {
			return
		}
	}
}
