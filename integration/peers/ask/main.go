// Command ask is a client of the services beside it: ask PROTOCOL ADDRESS.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/instar-project/instar/integration/peers/tally"
)

// clients by the protocol that they speak.
var clients = map[string]func(ctx context.Context, address string, begun func(), t *tally.Tally) error{
	"dns":         askDNS,
	"dns-tcp":     askDNSInTime("tcp"),
	"dns-udp":     askDNSInTime("udp"),
	"events":      askEvents,
	"fast":        askFast,
	"grpc":        askGRPC,
	"grpc-stream": askGRPCStream,
	"grpc-told":   askGRPCTold,
	"grpc-unary":  askUnary,
	"h2":          askH2,
	"h2c":         askH2C,
	"heedless":    askHeedless,
	"http":        askHTTP,
	"http3":       askHTTP3,
	"push":        askPush,
	"slow":        askSlow,
	"ssh":         askSSH,
	"ssh-again":   askSSHAgain,
	"websocket":   askWebSocket,
}

func main() {
	if len(os.Args) != 3 || clients[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: ask PROTOCOL ADDRESS")
		os.Exit(2)
	}
	tally.Run(func(ctx context.Context, begun func(), t *tally.Tally) error {
		return clients[os.Args[1]](ctx, os.Args[2], begun, t)
	})
}
