package machine_test

import (
	"context"
	"fmt"
	"io"
	"log"

	"github.com/instar-project/instar/integration/machine"
)

// A socket unit, the service behind it, and a connection from outside.
func Example() {
	if err := story(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func story(ctx context.Context) error {
	m, err := machine.Boot(ctx, machine.V257, machine.Options{})
	if err != nil {
		return err
	}
	defer m.Close()

	sys := m.System()
	for name, text := range map[string]string{
		"hello.socket":   "[Socket]\nListenStream=127.0.0.1:8080\nAccept=yes\n",
		"hello@.service": "[Service]\nStandardOutput=socket\nExecStart=echo hello from %H\n",
	} {
		if err := sys.InstallUnit(name, text); err != nil {
			return err
		}
	}
	if err := sys.DaemonReload(ctx); err != nil {
		return err
	}
	if err := sys.Start(ctx, "hello.socket"); err != nil {
		return err
	}
	conn, err := m.Dial(ctx, "tcp", "127.0.0.1:8080")
	if err != nil {
		return err
	}
	defer conn.Close()
	text, err := io.ReadAll(conn)
	fmt.Print(string(text))
	return err
}
