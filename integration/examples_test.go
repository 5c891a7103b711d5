package integration

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The smallest services, with the units beside them, as `instar init` writes them: each
// answers before and after an upgrade.
func TestExamples(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		instar := s.instar()
		certificate, key := selfSigned(t)
		s.must(s.machine.WriteFile("/etc/site/cert.pem", certificate, 0o644))
		s.must(s.machine.WriteFile("/etc/site/key.pem", key, 0o600))
		const bash = "timeout 10 bash -c 'exec 3<>/dev/"
		for _, c := range []struct {
			folder string
			asks   map[string]string // a command, and what it prints
		}{
			{"examples/hello", map[string]string{"curl -s localhost:8080": "hello from v1"}},
			{"examples/lines", map[string]string{bash + `tcp/127.0.0.1/7000; echo hello >&3; head -n1 <&3'`: "HELLO"}},
			{"examples/datagrams", map[string]string{bash + `udp/127.0.0.1/7000; printf hello >&3; head -c5 <&3'`: "HELLO"}},
			{"examples/site", map[string]string{
				"curl -sk --http1.1 https://localhost/":               "hello over HTTP/1.1",
				"curl -sk --http2 https://localhost/":                 "hello over HTTP/2.0",
				"curl -s -o /dev/null -w '%{redirect_url}' localhost": "https://localhost/",
				"curl -s localhost:9100":                              `"requests": `,
			}},
		} {
			name := filepath.Base(c.folder)
			s.onBus(name)
			s.release(name, c.folder)
			s.install(name)
			ask := func() {
				t.Helper()
				for command, want := range c.asks {
					out, err := s.machine.Run(s.ctx, "sh", "-c", command)
					if err != nil || !strings.Contains(out, want) {
						t.Errorf("%s: %s: %v\n%s\nwant %q\n%s", name, command, err, out, want, s.journal())
					}
				}
			}
			ask()
			s.upgrade(name)
			ask()
			if out, err := instar("verify", "--strict", name); err != nil {
				t.Errorf("verify of %s: %v\n%s", name, err, out)
			}
			_, err := s.manager.Systemctl(s.ctx, "stop", name+".socket", name+".service")
			s.must(err)
		}
	})
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
