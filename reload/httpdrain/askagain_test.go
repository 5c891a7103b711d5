package httpdrain

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
)

// A client that follows redirects is answered by the generation that has the state,
// before the drain and in it, whatever it has kept of the one that has parked.
func TestAskAgain(t *testing.T) {
	for name, way := range map[string]struct {
		serve   setting
		version int
	}{
		"HTTP/1":          {func(_ *http.Server, all []net.Listener) []net.Listener { return all }, 1},
		"HTTP/1 over TLS": {withTLS("http/1.1"), 1},
		"HTTP/2":          {withH2C, 2},
		"HTTP/2 over TLS": {withTLS("h2"), 2},
	} {
		t.Run(name, func(t *testing.T) {
			var parked atomic.Bool
			stateful := func(name string, parked *atomic.Bool) setting {
				return func(user *http.Server, all []net.Listener) []net.Listener {
					user.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						if parked.Load() {
							AskAgain(w, r)
							return
						}
						body, _ := io.ReadAll(r.Body)
						io.WriteString(w, name+" "+r.Method+" "+r.RequestURI+" "+string(body))
					})
					return way.serve(user, all)
				}
			}
			old := start(t, forEver, 1, stateful("old", &parked))
			serving := old
			transport := &http.Transport{
				Protocols:       new(http.Protocols),
				TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
				DialContext: func(context.Context, string, string) (net.Conn, error) {
					return net.Dial("tcp", serving.listeners[0].Addr().String())
				},
			}
			defer transport.CloseIdleConnections()
			transport.Protocols.SetHTTP1(way.version == 1)
			transport.Protocols.SetHTTP2(way.version == 2)
			transport.Protocols.SetUnencryptedHTTP2(way.version == 2)
			scheme := "http"
			if strings.HasSuffix(name, "TLS") {
				scheme = "https"
			}
			client := &http.Client{Transport: transport}
			want := func(answer string) {
				t.Helper()
				r, err := client.Post(scheme+"://x/a%2Fb?c=d", "text/plain", strings.NewReader("body"))
				if err != nil {
					t.Fatal(err)
				}
				defer r.Body.Close()
				got, err := io.ReadAll(r.Body)
				if err != nil || r.ProtoMajor != way.version || string(got) != answer+" POST /a%2Fb?c=d body" {
					t.Errorf("%s: %q, %v by %s, want %s", r.Status, got, err, r.Proto, answer)
				}
			}
			want("old") // which is all there by then, for start to count
			young := start(t, forEver, 1, stateful("new", new(atomic.Bool)))
			for _, draining := range []bool{false, true} {
				parked.Store(false)
				serving = old
				want("old")
				if draining {
					old.Drain(handedOver)
				}
				parked.Store(true)
				serving = young
				want("new")
				if draining {
					old.Resume()
				}
				transport.CloseIdleConnections()
			}
		})
	}
}

// A redirect leads nowhere else, whatever was asked for.
func TestAskAgainLeadsToTheSameURL(t *testing.T) {
	for _, test := range []struct{ target, want string }{
		{"/", "http://x/"},
		{"/a?b=c&d", "http://x/a?b=c&d"},
		{"/a?", "http://x/a?"},
		{"/a%2Fb%20c", "http://x/a%2Fb%20c"},
		{"//evil.example/a", "http://x//evil.example/a"},
		{"///evil.example", "http://x///evil.example"},
		{`/\evil.example`, "http://x/%5Cevil.example"},
		{"http://evil.example/a?b", "http://x/a?b"},
		{"/a:b", "http://x/a:b"},
	} {
		w := httptest.NewRecorder()
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET " + test.target + " HTTP/1.1\r\nHost: x\r\n\r\n")))
		if err != nil {
			t.Fatal(err)
		}
		r.URL.Path, r.URL.RawPath = "/stripped", "" // as by http.StripPrefix
		AskAgain(w, r)
		base, err := url.Parse("http://x/elsewhere?q")
		if err != nil {
			t.Fatal(err)
		}
		again, err := base.Parse(w.Header().Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		if got := again.String(); got != test.want {
			t.Errorf("%s: Location: %s leads to %s, want %s", test.target, w.Header().Get("Location"), got, test.want)
		}
	}
}

// A target that is no URL has no redirect.
func TestAskAgainWithoutURL(t *testing.T) {
	w := httptest.NewRecorder()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")))
	if err != nil {
		t.Fatal(err)
	}
	AskAgain(w, r)
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "0" {
		t.Errorf("%d, %v", w.Code, w.Header())
	}
}
