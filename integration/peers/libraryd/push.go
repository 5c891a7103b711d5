package main

import (
	"fmt"
	"net/http"

	"github.com/instar-project/instar/reload"
	"github.com/instar-project/instar/reload/httpdrain"

	coder "github.com/coder/websocket"
)

// push is net/http with server-sent events and a WebSocket, which say farewell
// when the server drains, and events that take no notice and are cut.
func push(svc *reload.Service) (reload.Server, error) {
	ln, err := svc.Listener("push")
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/events", func(w http.ResponseWriter, r *http.Request) {
		first(w, svc)
		select {
		case <-draining(r):
			fmt.Fprint(w, "event: bye\ndata:\n\n")
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("/heedless", func(w http.ResponseWriter, r *http.Request) {
		first(w, svc)
		<-r.Context().Done()
	})
	mux.HandleFunc("/websocket", func(w http.ResponseWriter, r *http.Request) {
		c, err := coder.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		gone := c.CloseRead(r.Context())
		if c.Write(gone, coder.MessageText, []byte(sign(svc))) != nil {
			return
		}
		select {
		case <-draining(r):
			_ = c.Close(coder.StatusGoingAway, "")
		case <-gone.Done():
		}
	})
	return httpdrain.New(&http.Server{Handler: mux}, ln), nil
}

func draining(r *http.Request) <-chan struct{} { return httpdrain.Draining(r.Context()).Done() }

// first writes the first event.
func first(w http.ResponseWriter, svc *reload.Service) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Connection", "close") // an EventSource makes another one anyway
	fmt.Fprintf(w, "data: %s\n\n", sign(svc))
	_ = http.NewResponseController(w).Flush()
}
