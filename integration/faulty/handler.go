package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"time"

	"github.com/instar-project/instar/reload"
)

// handler answers requests. Every answer names its process in its header.
type handler struct {
	svc     *reload.Service
	counter *counter // nil: no state is kept
}

func (h *handler) mux() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("/", h.plain)
	mux.HandleFunc("POST /hold", h.hold)
	mux.HandleFunc("GET /count", func(w http.ResponseWriter, r *http.Request) { h.count(w, (*counter).read) })
	mux.HandleFunc("POST /count", func(w http.ResponseWriter, r *http.Request) { h.count(w, (*counter).increment) })
	return mux
}

func (h *handler) sign(w http.ResponseWriter) {
	for name, value := range map[string]string{
		"X-Generation": strconv.Itoa(h.svc.Generation()),
		"X-Build":      h.svc.Build(),
		"X-PID":        strconv.Itoa(os.Getpid()),
		"X-Goroutines": strconv.Itoa(runtime.NumGoroutine()),
	} {
		w.Header().Set(name, value)
	}
}

// plain answers, after d if the query has one.
func (h *handler) plain(w http.ResponseWriter, r *http.Request) {
	if d, err := time.ParseDuration(r.FormValue("d")); err == nil {
		time.Sleep(d)
	}
	h.sign(w)
	if r.URL.Path == "/draining" {
		w.Header().Set("X-Draining", fmt.Sprint(h.svc.Snapshot().Draining))
	}
	fmt.Fprintf(w, "generation %d, build %s\n", h.svc.Generation(), h.svc.Build())
}

// hold answers at once, and finishes when the body of the request has come: so
// long this process has something in flight.
func (h *handler) hold(w http.ResponseWriter, r *http.Request) {
	h.sign(w)
	control := http.NewResponseController(w)
	if err := control.EnableFullDuplex(); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusOK)
	if err := control.Flush(); err != nil {
		return
	}
	_, _ = io.Copy(w, r.Body)
}

// count answers with the state. A process that has parked it has none: 503, and
// a new connection leads to the one that has.
func (h *handler) count(w http.ResponseWriter, do func(*counter) (total, error)) {
	h.sign(w)
	if h.counter == nil {
		http.Error(w, "no state is kept", http.StatusNotFound)
		return
	}
	t, err := do(h.counter)
	if err != nil {
		w.Header().Set("Connection", "close")
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintf(w, "%s %d\n", t.Born, t.Count)
}
