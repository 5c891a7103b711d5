package units

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// whole has every field set.
var whole = Service{
	Name: "chat", Description: "chat rooms",
	ExecStart: []string{"/opt/chat/chat", "-v"}, ExecReload: []string{"/usr/bin/before"}, ExecReloadPost: []string{"/usr/bin/after"},
	Sockets: []Socket{{Name: "lines", Listen: []string{"ListenStream=7000", "ListenStream=/run/chat.sock"}, Backlog: 100, Mode: 0o660}},
	Scope:   User, ReadyTimeout: time.Second, DrainTimeout: 2 * time.Second, Probation: 3 * time.Second, Watchdog: 4 * time.Second,
	Store: 5, Account: "chat", Outbound: true, Settings: []string{"Environment=A=b"},
}

func TestInternalHasEveryField(t *testing.T) {
	in := whole.internal()
	for _, part := range []struct{ ours, theirs any }{{whole, in}, {whole.Sockets[0], in.Sockets[0]}} {
		ours, theirs := reflect.ValueOf(part.ours), reflect.ValueOf(part.theirs)
		if ours.NumField() != theirs.NumField() {
			t.Errorf("%T has %d fields, and %T has %d", part.ours, ours.NumField(), part.theirs, theirs.NumField())
		}
		for i := range theirs.NumField() {
			name := theirs.Type().Field(i).Name
			if our := ours.FieldByName(name); !our.IsValid() || our.IsZero() || theirs.Field(i).IsZero() {
				t.Errorf("%s of %T does not arrive", name, part.theirs)
			}
		}
	}
	if got := in.Settings[0]; got.Name != "Environment" || got.Value != "A=b" {
		t.Errorf("the setting is %+v", got)
	}
}

func TestWriteRefusesLines(t *testing.T) {
	for _, bad := range []string{"", "8080", "ListenFIFO=/run/f", "ListenStream=", "ListenStream=80 81"} {
		s := whole
		s.Sockets = []Socket{{Name: "lines", Listen: []string{bad}}}
		if files, err := Write(s); !errors.Is(err, ErrInvalid) || len(files) > 0 {
			t.Errorf("Listen %q: %v, %v", bad, files, err)
		}
	}
	s := whole
	s.Settings = []string{"no assignment\n"}
	if _, err := Write(s); !errors.Is(err, ErrInvalid) {
		t.Errorf("Settings: %v", err)
	}
}

// Verify finds nothing in what Write has written.
func TestVerifyWritten(t *testing.T) {
	s := whole
	s.Scope, s.ExecReload, s.ExecReloadPost = System, nil, nil
	files, err := Write(s)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(dir, f.Name), []byte(f.Text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	u, err := Load("chat.service", dir)
	if err != nil {
		t.Fatal(err)
	}
	if found := u.Verify(s); len(found) > 0 && found[0].Severity == SeverityError {
		t.Errorf("found %v", found)
	}
	s.DrainTimeout = time.Hour
	found := u.Verify(s)
	if len(found) == 0 || !strings.Contains(found[0].String(), "TimeoutStopSec") {
		t.Errorf("a drain of an hour: %v", found)
	}
	if _, err := Load("absent.service", dir); !errors.Is(err, ErrNotFound) {
		t.Errorf("an absent service: %v", err)
	}
}
