package units

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-systemd/v22/unit"
)

// chat is a service with a bit of everything.
var chat = Service{
	Name:         "chat",
	Description:  "100% chat",
	ExecStart:    []string{"/usr/local/lib/chat/chat", "--motd", `say "hi" for $5`, ""},
	ExecReload:   []string{"/usr/bin/true"},
	DrainTimeout: 10 * time.Minute,
	Probation:    5 * time.Second,
	Watchdog:     20 * time.Second,
	Store:        64,
	Account:      "chat",
	Outbound:     true,
	Settings:     []Setting{{"StateDirectory", "chat"}},
	Sockets: []Socket{
		{Name: "http", Listen: []Listen{Stream("80"), Stream("443")}, Backlog: 1024},
		{Name: "admin", Listen: []Listen{Stream("/run/chat/admin.sock")}, Mode: 0o600},
		{Name: "voice", Listen: []Listen{Datagram("5000")}},
	},
}

func TestWrite(t *testing.T) {
	user := exampleService
	user.Name, user.Scope = "web-user", User
	for _, service := range []Service{exampleService, user, chat} {
		files, err := Write(service)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			file := filepath.Join("testdata", "written", f.Name)
			if *update {
				if err := os.WriteFile(file, []byte(f.Text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if f.Text != string(want) {
				t.Errorf("%s is\n%s\nwant\n%s", f.Name, f.Text, want)
			}
			// Somebody else's reading of it.
			theirs, err := unit.DeserializeOptions(strings.NewReader(f.Text))
			if err != nil {
				t.Fatal(err)
			}
			ours := Parse(f.Name, "", f.Text)
			if len(theirs) != len(ours.Directives) || len(ours.Problems) > 0 {
				t.Errorf("%s: %d settings, go-systemd has %d; %v", f.Name, len(ours.Directives), len(theirs), ours.Problems)
			}
		}
	}
}

// Verify finds nothing in the units that Write writes.
func TestWriteVerified(t *testing.T) {
	for _, service := range []Service{exampleService, chat} {
		files, err := Write(service)
		if err != nil {
			t.Fatal(err)
		}
		var pair Pair
		for _, f := range files {
			u := Parse(f.Name, f.Name, f.Text)
			if pair.Service == nil {
				pair.Service = u
				continue
			}
			pair.Sockets = append(pair.Sockets, u)
		}
		o := Options{DrainTimeout: service.DrainTimeout, Probation: service.Probation, Store: service.Store, Systemd: Lowest}
		if findings := Verify(pair, o); len(findings) > 0 {
			t.Errorf("%s: %v", service.Name, findings)
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	for what, change := range map[string]func(*Service){
		"Name":         func(s *Service) { s.Name = "a b" },
		"Description":  func(s *Service) { s.Description = "a\n[Service]" },
		"ExecStart":    func(s *Service) { s.ExecStart = []string{"web"} },
		"/home":        func(s *Service) { s.ExecStart = []string{"/home/web/web"} },
		"ReadyTimeout": func(s *Service) { s.ReadyTimeout = -1 },
		"Watchdog":     func(s *Service) { s.Watchdog, s.Probation = 1, 2 },
		"Store":        func(s *Service) { s.Store = -1 },
		"Account":      func(s *Service) { s.Account = "a b" },
		"Settings":     func(s *Service) { s.Settings = []Setting{{"A", "b\nC=d"}} },
		"Sockets":      func(s *Service) { s.Sockets = nil },
		"Backlog":      func(s *Service) { s.Sockets = []Socket{{Name: "a", Backlog: -1, Listen: []Listen{Stream("1")}}} },
		"address":      func(s *Service) { s.Sockets = []Socket{{Name: "a", Listen: []Listen{Stream("1\nAccept=yes")}}} },
		"instar.":      func(s *Service) { s.Sockets = []Socket{{Name: "instar.x", Listen: []Listen{Stream("1")}}} },
		"earlier":      func(s *Service) { s.Sockets = append(s.Sockets[:1:1], s.Sockets[0]) },
	} {
		s := exampleService
		change(&s)
		_, err := Write(s)
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
