package sdstore

import (
	"strings"
	"testing"
)

func TestParseQuota(t *testing.T) {
	for _, c := range []struct {
		value string
		set   bool
		want  int
		bad   bool
	}{
		{"", false, 0, false},
		{"0", true, 0, false},
		{"16", true, 16, false},
		{"2147483647", true, 2147483647, false},
		{"2147483648", true, 0, true},
		{"", true, 0, true},
		{"016", true, 0, true},
		{"+1", true, 0, true},
		{"-1", true, 0, true},
		{" 1", true, 0, true},
		{"1\n", true, 0, true},
		{"many", true, 0, true},
	} {
		n, err := ParseQuota(func(key string) (string, bool) {
			if key != "FDSTORE" {
				t.Errorf("looked up %q", key)
			}
			return c.value, c.set
		})
		if n != c.want || (err != nil) != c.bad {
			t.Errorf("FDSTORE=%q (%v): got %d, %v", c.value, c.set, n, err)
		}
		if err != nil && !strings.Contains(err.Error(), "FileDescriptorStoreMax=") {
			t.Errorf("the error has no advice: %v", err)
		}
	}
}
