package httpdrain

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
)

// BenchmarkRequest compares a request on a kept connection with one of net/http alone.
func BenchmarkRequest(b *testing.B) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "fast") })
	for name, serve := range map[string]func(net.Listener) error{
		"plain":     func(ln net.Listener) error { return (&http.Server{Handler: handler}).Serve(ln) },
		"httpdrain": func(ln net.Listener) error { return New(&http.Server{Handler: handler}, ln).Serve() },
	} {
		b.Run(name, func(b *testing.B) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			go serve(ln)
			defer ln.Close()
			c, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			in := bufio.NewReader(c)
			b.ReportAllocs()
			for b.Loop() {
				io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
				r, err := http.ReadResponse(in, nil)
				if err != nil {
					b.Fatal(err)
				}
				io.Copy(io.Discard, r.Body)
			}
		})
	}
}
