package httpdrain_test

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/instar-project/instar/reload/httpdrain"
)

// A service gives New the listeners of reload.Service.Listener, and reload.Service.Serve
// calls the methods. In a test any listener will do.
func ExampleNew() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := httpdrain.New(&http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "hello")
	})}, ln)
	go server.Serve()
	defer server.Close()

	answer, err := http.Get("http://" + ln.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	fmt.Println(string(body), err)
	// Output: hello <nil>
}

// An answer without an end, such as server-sent events, ends when a drain begins: the
// client connects again, to the next generation.
func ExampleDraining() {
	http.HandleFunc("/events", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		draining := httpdrain.Draining(r.Context())
		for every := time.Tick(time.Second); ; {
			select {
			case now := <-every:
				fmt.Fprintf(w, "data: %v\n\n", now)
				if err := http.NewResponseController(w).Flush(); err != nil {
					return
				}
			case <-draining.Done():
				return
			}
		}
	})
}
