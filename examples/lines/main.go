// Lines is a whole TCP service: it answers each line with the same in capitals.
package main

import (
	"bufio"
	"context"
	"net"
	"strings"
	"time"

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

func answer(ctx context.Context, c net.Conn) {
	// When another generation accepts, an idle client has a second for a last line.
	defer context.AfterFunc(ctx, func() { c.SetReadDeadline(time.Now().Add(time.Second)) })()
	in := bufio.NewReader(c)
	for line, err := in.ReadString('\n'); err == nil; line, err = in.ReadString('\n') {
		c.Write([]byte(strings.ToUpper(line)))
	}
}
