package reload

import (
	"errors"
	"testing"
)

func TestElsewhere(t *testing.T) {
	ids := map[string]string{
		"/system.slice/web.service":                 "aaaa",
		"/user.slice/user-7.slice/session-c1.scope": "bbbb",
		"/user.slice/user-7.slice/user@7.service":   "cccc",
	}
	for _, c := range []struct {
		text, invocation string
		moved            bool
	}{
		{"0::/system.slice/web.service\n", "aaaa", false},
		{"0::/system.slice/web.service/below\n", "aaaa", false}, // Delegate=
		{"1:name=systemd:/x\n0::/system.slice/web.service\n", "aaaa", false},
		{"0::/user.slice/user-7.slice/session-c1.scope\n", "aaaa", true},
		{"0::/user.slice/user-7.slice/session-c1.scope\n", "", false}, // not started by systemd
		{"0::/user.slice/user-7.slice/user@7.service/app.slice/web.service\n", "aaaa", false},
		{"0::/nothing/known\n", "aaaa", false},
		{"0::/\n", "aaaa", false}, // hidden
		{"1:cpu:/x\n", "aaaa", false},
		{"", "aaaa", false},
		{"0::", "aaaa", false},
	} {
		err := elsewhere(c.text, c.invocation, func(cgroup string) string { return ids[cgroup] })
		if errors.Is(err, errElsewhere) != c.moved || (err != nil) != c.moved {
			t.Errorf("%q in the invocation %q: %v", c.text, c.invocation, err)
		}
	}
}
