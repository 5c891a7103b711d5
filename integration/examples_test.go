package integration

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/instar-project/instar/internal/units"

	"github.com/miekg/dns"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// The smallest services, with the units beside them, as `instar init` writes them: each
// answers before and after an upgrade.
func TestExamples(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		instar := s.instar()
		certificate, key := selfSigned(t)
		s.must(s.machine.WriteFile("/etc/site/cert.pem", certificate, 0o644))
		s.must(s.machine.WriteFile("/etc/site/key.pem", key, 0o600))
		shell := func(command string) asking {
			return func() (string, error) { return s.machine.Run(s.ctx, "sh", "-c", command) }
		}
		const bash = "timeout 10 bash -c 'exec 3<>/dev/"
		for _, c := range []struct {
			folder string
			asks   []asking
			wants  []string
		}{
			{"examples/hello", []asking{shell("curl -s localhost:8080")}, []string{"hello from v1"}},
			{"examples/lines", []asking{shell(bash + `tcp/127.0.0.1/7000; echo hello >&3; head -n1 <&3'`)}, []string{"HELLO"}},
			{"examples/datagrams", []asking{shell(bash + `udp/127.0.0.1/7000; printf hello >&3; head -c5 <&3'`)}, []string{"HELLO"}},
			{"examples/site", []asking{
				shell("curl -sk --http1.1 https://localhost/"),
				shell("curl -sk --http2 https://localhost/"),
				shell("curl -s -o /dev/null -w '%{redirect_url}' localhost"),
				shell("curl -s localhost:9100"),
			}, []string{"hello over HTTP/1.1", "hello over HTTP/2.0", "https://localhost/", `"requests": `}},
			{"examples/peers/calls", []asking{s.call("127.0.0.1:50051")}, []string{"SERVING"}},
			{"examples/peers/resolver", []asking{s.query("tcp", "127.0.0.1:53"), s.query("udp", "127.0.0.1:53")}, []string{`"hello"`, `"hello"`}},
		} {
			name := filepath.Base(c.folder)
			s.onBus(name)
			s.release(name, c.folder)
			s.installFrom(c.folder)
			ask := func() {
				t.Helper()
				for i, want := range c.wants {
					if out, err := c.asks[i](); err != nil || !strings.Contains(out, want) {
						t.Errorf("%s: %v\n%s\nwant %q\n%s", name, err, out, want, s.journal())
					}
				}
			}
			ask()
			s.upgrade(name)
			ask()
			verify := []string{"verify", "--strict", name}
			if s.version() >= units.ReloadPost {
				// The units of the examples lack ExecReloadPost=, which older versions of
				// systemd-analyze complain of.
				verify = []string{"verify", name}
			}
			if out, err := instar(verify...); err != nil {
				t.Errorf("verify of %s: %v\n%s", name, err, out)
			}
			_, err := s.manager.Systemctl(s.ctx, "stop", name+".socket", name+".service")
			s.must(err)
		}
	})
}

// asking returns the answer of a service.
type asking func() (string, error)

// call asks a gRPC service how it is.
func (s *site) call(address string) asking {
	return func() (string, error) {
		conn, err := grpc.NewClient("passthrough:///"+address,
			grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
				return s.manager.Host().Dial(ctx, "tcp", address)
			}))
		if err != nil {
			return "", err
		}
		defer conn.Close()
		answer, err := grpc_health_v1.NewHealthClient(conn).Check(s.ctx, new(grpc_health_v1.HealthCheckRequest))
		return answer.GetStatus().String(), err
	}
}

// query asks a DNS service.
func (s *site) query(network, address string) asking {
	return func() (string, error) {
		conn, err := s.manager.Host().Dial(s.ctx, network, address)
		if err != nil {
			return "", err
		}
		defer conn.Close()
		query := new(dns.Msg).SetQuestion("example.org.", dns.TypeTXT)
		answer, _, err := (&dns.Client{Net: network, Timeout: time.Minute}).ExchangeWithConn(query, &dns.Conn{Conn: conn})
		return fmt.Sprint(answer), err
	}
}

// selfSigned is a certificate and its key, as PEM.
func selfSigned(t *testing.T) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}
