package main

import (
	"fmt"
	"net/http"
	"sync"

	"github.com/instar-project/instar/reload"
	"github.com/instar-project/instar/reload/httpdrain"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
)

// push is a server whose answers do not end by themselves: the WebSockets do when their
// hub is closed, the events when the server drains.
func push(svc *reload.Service) *http.Server {
	mux := http.NewServeMux()
	server := &http.Server{Handler: mux}
	end := make(chan struct{})
	server.RegisterOnShutdown(sync.OnceFunc(func() { close(end) }))

	mux.HandleFunc("/coder", func(w http.ResponseWriter, r *http.Request) {
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
		case <-end:
			c.Close(coder.StatusGoingAway, "")
		case <-gone.Done():
		}
	})
	mux.HandleFunc("/gorilla", func(w http.ResponseWriter, r *http.Request) {
		c, err := new(gorilla.Upgrader).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer c.Close()
		if c.WriteMessage(gorilla.TextMessage, []byte(sign(svc))) != nil {
			return
		}
		<-end
		c.WriteMessage(gorilla.CloseMessage, gorilla.FormatCloseMessage(gorilla.CloseGoingAway, ""))
	})
	mux.HandleFunc("/events", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Connection", "close") // an EventSource makes another one anyway
		fmt.Fprintf(w, "data: %s\n\n", sign(svc))
		http.NewResponseController(w).Flush()
		<-httpdrain.Draining(r.Context()).Done()
		if r.Context().Err() == nil { // else it is the client that has gone
			fmt.Fprint(w, "event: bye\ndata:\n\n")
		}
	})
	return server
}
