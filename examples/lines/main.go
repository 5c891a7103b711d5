// Lines is a whole TCP service: it answers each line with the same in capitals.
package main

import (
	"bufio"
	"context"
	"net"
	"strings"

	"github.com/instar-project/instar/reload"
	"github.com/instar-project/instar/status"
)

func main() { reload.Main(reload.Config{}, status.Exported(serve)) }

func serve(ctx context.Context, svc *reload.Service) error {
	ln, err := svc.Listener("lines") // FileDescriptorName=lines in lines.socket
	if err != nil {
		return err
	}
	return svc.Serve(ctx, reload.Streams(ln, answer))
}

func answer(_ context.Context, c net.Conn) {
	in := bufio.NewReader(c)
	for line, err := in.ReadString('\n'); err == nil; line, err = in.ReadString('\n') {
		c.Write([]byte(strings.ToUpper(line)))
	}
}
