package notify

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestParseAddress(t *testing.T) {
	longest := "/" + strings.Repeat("a", maxUnixAddress-1)
	for _, want := range []address{
		{text: "/run/systemd/notify"},
		{text: "@/org/freedesktop/systemd1/notify"},
		{text: "@a"},
		{text: longest},
		{text: "@" + longest[1:]},
		{text: "/a path:with everything\n"},
		{text: "vsock:2:9999", vsock: true, cid: 2, port: 9999},
		{text: "vsock:host:0", vsock: true, cid: unix.VMADDR_CID_HOST},
		{text: "vsock:local:1", vsock: true, cid: unix.VMADDR_CID_LOCAL, port: 1},
		{text: "vsock:hypervisor:1", vsock: true, cid: unix.VMADDR_CID_HYPERVISOR, port: 1},
		{text: "vsock-stream:3:4294967294", vsock: true, cid: 3, port: 1<<32 - 2, sockType: unix.SOCK_STREAM},
		{text: "vsock-dgram:3:4", vsock: true, cid: 3, port: 4, sockType: unix.SOCK_DGRAM},
		{text: "vsock-seqpacket:3:4", vsock: true, cid: 3, port: 4, sockType: unix.SOCK_SEQPACKET},
	} {
		got, err := parseAddress(want.text)
		if err != nil || got != want {
			t.Errorf("parseAddress(%q) = %+v, %v; want %+v", want.text, got, err, want)
		}
	}
}

func TestParseAddressMalformed(t *testing.T) {
	for text, reason := range map[string]string{
		"":                         "empty",
		"@":                        "no name",
		"run/systemd/notify":       "absolute path",
		"unix:/run/systemd/notify": "absolute path",
		"/a\x00b":                  "NUL",
		"/" + strings.Repeat("a", maxUnixAddress): "108 bytes",
		"@" + strings.Repeat("a", maxUnixAddress): "108 bytes",
		"vsock":              "vsock:CID:PORT",
		"vsock:":             "vsock:CID:PORT",
		"vsock:2":            "vsock:CID:PORT",
		"vsock::1":           `CID ""`,
		"vsock:any:1":        `CID "any"`,
		"vsock:-1:1":         `CID "-1"`,
		"vsock:4294967295:1": `CID "4294967295"`,
		"vsock:4294967296:1": `CID "4294967296"`,
		"vsock:2:":           `port ""`,
		"vsock:2:4294967295": `port "4294967295"`,
		"vsock:2:3:4":        `port "3:4"`,
		"vsock:2:+3":         `port "+3"`,
		"vsock:2:0x3":        `port "0x3"`,
		"vsock-raw:2:3":      "absolute path",
	} {
		_, err := parseAddress(text)
		if err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("parseAddress(%q) = %v; want an error that says %q", text, err, reason)
		}
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, seed := range []string{"", "/run/systemd/notify", "@name", "@", "vsock:2:3", "vsock-stream:host:0", "vsock:any:1", "a"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := parseAddress(text)
		if err != nil {
			if a != (address{}) {
				t.Errorf("%q: an error and the address %+v", text, a)
			}
			return
		}
		if a.text != text {
			t.Errorf("%q became %q", text, a.text)
		}
		if !a.vsock {
			// An address that the parser accepts must fit a sockaddr_un: the kernel
			// may refuse the connection, but not the address.
			fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(fd)
			if err := unix.Connect(fd, &unix.SockaddrUnix{Name: text}); err == unix.EINVAL {
				t.Errorf("%q is not an address: %v", text, err)
			}
		}
	})
}
