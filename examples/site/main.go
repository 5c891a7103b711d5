// Site is a whole web site on three sockets: HTTPS, HTTP that sends clients there, and
// metrics for the machine alone. systemd reads certificate and key as root, and hands
// them over as credentials; see site.service.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"expvar"
	"net/http"
	"os"
	"path/filepath"

	"github.com/instar-project/instar/reload"
	"github.com/instar-project/instar/reload/httpdrain"
	"github.com/instar-project/instar/status"
)

var requests = expvar.NewInt("requests")

func main() { reload.Main(reload.Config{}, status.Exported(serve)) }

func serve(ctx context.Context, svc *reload.Service) error {
	https, noHTTPS := svc.Listener("https")
	plain, noHTTP := svc.Listener("http")
	metrics, noMetrics := svc.Listener("metrics")
	credentials := os.Getenv("CREDENTIALS_DIRECTORY")
	cert, noCert := tls.LoadX509KeyPair(filepath.Join(credentials, "cert"), filepath.Join(credentials, "key"))
	if err := errors.Join(noHTTPS, noHTTP, noMetrics, noCert); err != nil {
		return err
	}
	secure := tls.NewListener(https, &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2", "http/1.1"}})
	return svc.Serve(ctx,
		httpdrain.New(&http.Server{Handler: http.HandlerFunc(hello)}, secure),
		httpdrain.New(&http.Server{Handler: http.HandlerFunc(redirect)}, plain),
		httpdrain.New(&http.Server{Handler: expvar.Handler()}, metrics))
}

func hello(w http.ResponseWriter, r *http.Request) {
	requests.Add(1)
	w.Write([]byte("hello over " + r.Proto + "\n"))
}

func redirect(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, "https://"+r.Host+r.URL.RequestURI(), http.StatusMovedPermanently)
}
