package core

import (
	"bufio"
	"os"
	"strings"
	"testing"
)

func TestParseResident(t *testing.T) {
	r, err := parseResident("Name:\tweb\nVmRSS:\t  12000 kB\nRssAnon:\t    2000 kB\nRssFile:\t   10000 kB\nRssShmem:\t       0 kB\n")
	if want := (resident{anon: 2.048, file: 10.24}); err != nil || r != want {
		t.Errorf("%+v, %v; want %+v", r, err, want)
	}
	if r, err := parseResident("Name:\tweb\nRssAnon:\t    2000 kB\n"); err == nil {
		t.Errorf("no error without RssFile: %+v", r)
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	if r, err := parseResident(string(status)); err != nil || r.anon <= 0 || r.file <= 0 {
		t.Errorf("of this process: %+v, %v", r, err)
	}
}

func TestServingAddress(t *testing.T) {
	log := "2026/01/01 INFO hello\n2026/01/01 INFO serving address=127.0.0.1:4711\n"
	if got, err := servingAddress(bufio.NewScanner(strings.NewReader(log))); err != nil || got != "127.0.0.1:4711" {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := servingAddress(bufio.NewScanner(strings.NewReader("panic\n"))); err == nil {
		t.Errorf("no error from a service that ends: %q", got)
	}
}
