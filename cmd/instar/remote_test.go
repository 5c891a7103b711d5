package main

import (
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

func TestParseDestination(t *testing.T) {
	for _, c := range []struct {
		host string
		want destination
	}{
		{"web1", destination{"web1", 0}},
		{"root@web1.example.org", destination{"root@web1.example.org", 0}},
		{"web1:2222", destination{"web1", 2222}},
		{"root@web1:22", destination{"root@web1", 22}},
		{"::1", destination{"::1", 0}},
		{"[::1]", destination{"::1", 0}},
		{"root@[fe80::1%eth0]:22", destination{"root@fe80::1%eth0", 22}},
	} {
		if got, err := parseDestination(c.host); got != c.want || err != nil {
			t.Errorf("%s: %+v, %v; want %+v", c.host, got, err, c.want)
		}
	}
	for _, host := range []string{"", "@", "root@", "@web1", "-oProxyCommand=x", "root@-x", "a b", "a\n", "web1:", "web1:0", "web1:65536", "web1:ssh", "web1/container", "[]", "web1`reboot`", "$(reboot)@web1", "web1;reboot", "a|b", "größe", "web1'", `a\\b`} {
		if got, err := parseDestination(host); err == nil || exitStatus(err) != exitMisuse {
			t.Errorf("%q: %+v, %v; want misuse", host, got, err)
		}
	}
	got := destination{"root@web1", 2222}.ssh("journalctl", "FIELD=web@a b.service")
	if want := []string{"ssh", "-xT", "-p", "2222", "--", "root@web1", "journalctl", "'FIELD=web@a b.service'"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// No name of a machine becomes an option of ssh, or two words.
func FuzzParseDestination(f *testing.F) {
	f.Add("root@web1:22")
	f.Add("[::1]:22")
	f.Fuzz(func(t *testing.T, s string) {
		d, err := parseDestination(s)
		if err != nil {
			return
		}
		if d.host == "" || strings.HasPrefix(d.host, "-") || strings.ContainsAny(d.host, " \t\n\"'`$&|;<>()*?!#~{}\\") || d.port < 0 || d.port > 65535 {
			t.Errorf("%q: %+v", s, d)
		}
	})
}

// A shell turns a quoted word back into the original.
func TestQuote(t *testing.T) {
	for _, word := range []string{"", "plain-1.service", "a b", `it's`, `a\x2db`, "$HOME", "`id`", "a;b", "*", "ü", "a\nb", "--x=~"} {
		out, err := exec.Command("sh", "-c", "printf %s "+quote(word)).Output()
		if err != nil || string(out) != word {
			t.Errorf("%q became %q: %v", word, out, err)
		}
	}
}

// A bridge carries the output and input of its command; its end has a reason.
func TestBridge(t *testing.T) {
	b, err := openBridge([]string{"cat"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 5)
	if _, err := io.ReadFull(b, p); err != nil || string(p) != "hello" {
		t.Errorf("%q, %v", p, err)
	}
	for range 2 { // it may be closed again
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
	b, err = openBridge([]string{"sh", "-c", "exit 3"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Read(p); err == nil || !strings.Contains(err.Error(), "sh -c exit 3: exit status 3") {
		t.Errorf("%v", err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if _, err := openBridge([]string{"/no/such/command"}); err == nil {
		t.Error("a command that is not there has no error")
	}
}
