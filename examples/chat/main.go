// Chat is a chat room whose clients stay connected, in their rooms, with their
// nicknames and unread lines, across `systemctl reload chat`, `systemctl restart
// chat` and the death of every process of the service.
//
// Beside it lie chat.socket and chat.service. It listens on TCP, port 7100, and on
// a Unix socket, and speaks the protocol of protocol.go, which people can type.
//
//	protocol.go  the lines of clients and server, and the effect of a death on them
//	state.go     rooms and members: a pure function of the records in the journal
//	hall.go      keeps the journal and the connections in systemd's store
//	talk.go      the answer to a client's line
//	client.go    one connection
//	peek.go      reads lines that stay in the socket until they are in the journal
package main

import (
	"context"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/instar-project/instar/reload"
)

// Set by the linker, -X main.version=v2.
var (
	version   = "unstamped"
	probation = "0s" // how long this version serves while its predecessor could still take back
)

func main() {
	if err := run(context.Background()); err != nil {
		slog.Error("chat", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	trial, err := time.ParseDuration(probation)
	if err != nil {
		return err
	}
	svc, err := reload.Open(reload.Config{Build: version, Probation: trial})
	if err != nil {
		return err
	}
	defer svc.Close()
	listeners, err := svc.Listeners("chat") // TCP and Unix
	if err != nil {
		return err
	}
	h := newHall()
	if err := svc.Keep("", h); err != nil {
		return err
	}
	var servers []reload.Server
	for _, ln := range listeners {
		servers = append(servers, reload.Admit(ln, func(_ context.Context, c net.Conn) { h.admit(c) }))
	}
	return svc.Serve(ctx, servers...)
}
