// Command webd is HTTP in the ways that net/http does not serve by itself: HTTP/2 by
// golang.org/x/net, with and without TLS, gRPC as a handler, WebSockets by two libraries,
// and server-sent events. None of it knows of upgrades: work that has to end at a drain
// hangs on http.Server.RegisterOnShutdown, or waits for httpdrain.Draining.
package main

//lint:file-ignore SA1019 People serve with golang.org/x/net/http2 still.

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"math/big"
	"net/http"
	"strconv"
	"time"

	"github.com/instar-project/instar/reload"
	"github.com/instar-project/instar/reload/httpdrain"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/h2c"
)

// version is stamped in by the linker.
var version = "dev"

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	svc, err := reload.Open(reload.Config{Build: version})
	if err != nil {
		return err
	}
	defer svc.Close()
	secure, err := secured(svc)
	if err != nil {
		return err
	}
	var servers []reload.Server
	for name, server := range map[string]*http.Server{
		"h2":   secure,
		"h2c":  {Handler: h2c.NewHandler(plain(svc), &http2.Server{})},
		"push": push(svc),
		"grpc": {Handler: health(svc), Protocols: unencrypted()},
	} {
		ln, err := svc.Listener(name)
		if err != nil {
			return err
		}
		if server.TLSConfig != nil {
			ln = tls.NewListener(ln, server.TLSConfig)
		}
		server := httpdrain.New(server, ln)
		server.Linger = time.Minute // nothing here may need it
		servers = append(servers, server)
	}
	return svc.Serve(context.Background(), servers...)
}

// secured is a server whose HTTP/2 is that of golang.org/x/net.
func secured(svc *reload.Service) (*http.Server, error) {
	certificate, err := selfSigned()
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: plain(svc), TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}}}
	return server, http2.ConfigureServer(server, &http2.Server{})
}

func selfSigned() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

func unencrypted() *http.Protocols {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	return protocols
}

// plain answers after a while.
func plain(svc *reload.Service) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(50 * time.Millisecond)
		io.WriteString(w, sign(svc))
	})
}

// sign is the signature of a generation in every answer.
func sign(svc *reload.Service) string { return strconv.Itoa(svc.Generation()) }
