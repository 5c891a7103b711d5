// Command quicd serves HTTP/3 by quic-go, beside net/http. It makes its QUIC listener
// where one makes listeners, and that reads from then on.
package main

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

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// version and hang are stamped in by the linker.
var (
	version = "dev"
	hang    = "" // not empty: this build never comes to serve
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	svc, err := reload.Open(reload.Config{Build: version, ReadyTimeout: 2 * time.Second})
	if err != nil {
		return err
	}
	defer svc.Close()
	pc, err := svc.PacketConn("quic")
	if err != nil {
		return err
	}
	ln, err := svc.Listener("http")
	if err != nil {
		return err
	}
	certificate, err := selfSigned()
	if err != nil {
		return err
	}
	generation := strconv.Itoa(svc.Generation())
	who := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, generation) })
	slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(3 * time.Second)
		io.WriteString(w, generation)
	})
	server := &http3.Server{Handler: who}
	early, err := quic.ListenEarly(pc, http3.ConfigureTLSConfig(&tls.Config{Certificates: []tls.Certificate{certificate}}), nil)
	if err != nil {
		return err
	}
	if hang != "" {
		select {}
	}
	return svc.Serve(context.Background(), quicServer{server, early}, httpdrain.New(&http.Server{Handler: slow}, ln))
}

// quicServer does nothing in a drain: its connections have ended with the takeover.
type quicServer struct {
	*http3.Server
	listener *quic.EarlyListener
}

func (s quicServer) Serve() error       { return s.ServeListener(s.listener) }
func (s quicServer) Drain(reload.Drain) {}
func (s quicServer) Resume()            {}

func selfSigned() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
