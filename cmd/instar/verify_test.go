package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/instar-project/instar/cmd/instar/internal/setup"
	"github.com/instar-project/instar/internal/units"
)

// Whatever stands in unit files, verify does not panic, its exit status fits, and it
// reports the same findings in lines and in JSON.
func FuzzVerify(f *testing.F) {
	files, err := setup.Plan(setup.Config{Service: units.Service{
		Name: "web", ExecStart: []string{"/opt/web/web"},
		Sockets: []units.Socket{{Name: "http", Listen: []units.Listen{units.Stream("8080")}}},
	}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(files[2].Text, files[3].Text, "[Service]\nKillMode=mixed\n")
	f.Add("[Service]\nType=notify\\\n  -reload\nExecStart=@-/bin/sh sh -c 'a b\nSystemCallFilter=~@process:EPERM\n", "[Socket\n", "=\x00\n\\")
	f.Add("[Unit]\nRequires=web.socket %n.socket ../x.socket\n[Service]\nSockets=-.socket \"\n", "[Socket]\nService=\nBacklog=99999999999999999999\n", "[Service]\nTimeoutStopSec=1y 1y 9e99s\n")
	folder := f.TempDir()
	f.Fuzz(func(t *testing.T, service, socket, dropIn string) {
		for name, text := range map[string]string{
			"web.service": service, "web.socket": socket, "web.service.d/a.conf": dropIn,
		} {
			file := filepath.Join(folder, name)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		lines, status := verify(t, folder)
		list, jsonStatus := verify(t, folder, "--json")
		if status != jsonStatus || status > exitFailed {
			t.Fatalf("exit status %d, with --json %d\n%s", status, jsonStatus, lines)
		}
		if cured, cureStatus := verify(t, folder, "--fix", "--dry-run", "--helper=/usr/bin/instar"); cureStatus != status || !strings.HasSuffix(cured, lines) {
			t.Fatalf("exit status %d, with --fix --dry-run %d\n%s", status, cureStatus, cured)
		}
		if status == exitFailed && !strings.Contains(lines, "error: ") {
			return // no finding, but an error on stderr
		}
		var findings []jsonText
		if err := json.Unmarshal([]byte(list), &findings); err != nil {
			t.Fatalf("%v\n%s", err, list)
		}
		if n := strings.Count(lines, "\n"); n != max(1, len(findings)) {
			t.Fatalf("%d lines for %d findings\n%s", n, len(findings), lines)
		}
	})
}

type jsonText struct{ Rule, Severity, Reason string }

// verify runs the command on web.service and returns its stdout.
func verify(t *testing.T, folder string, flags ...string) (stdout string, status int) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := root()
	cmd.SetOut(&out)
	cmd.SetErr(&errs)
	cmd.SetArgs(append([]string{"verify", "--no-analyze", "--systemd=257", filepath.Join(folder, "web.service")}, flags...))
	status = run(t.Context(), cmd)
	return out.String(), status
}
