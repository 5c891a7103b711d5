package units

import "testing"

func TestExpand(t *testing.T) {
	u := &Unit{Name: `shop-web@a\x2db-c.service`}
	for s, want := range map[string]string{
		"web@%i.socket": `web@a\x2db-c.socket`,
		"/run/%I":       "/run/a-b/c",
		"%p %P":         "shop-web shop/web",
		"%j %J":         "web web",
		"%n":            `shop-web@a\x2db-c.service`,
		"%N.socket":     `shop-web@a\x2db-c.socket`,
		"50%%i %t/%u":   "50%i %t/%u",
		"%":             "%",
	} {
		if got := u.expand(s); got != want {
			t.Errorf("%q is %q, want %q", s, got, want)
		}
	}
	if got := (&Unit{Name: "web@.service"}).expand("web@%i.socket"); got != "web@.socket" {
		t.Errorf("in a template web@%%i.socket is %q", got)
	}
	for instance, want := range map[string]string{"a": "api@%i.socket", "b": "api@a.socket"} {
		if got := (&Unit{Name: "web@" + instance + ".service"}).sibling("api@a.socket"); got != want {
			t.Errorf("web@%s.service writes api@a.socket as %s, want %s", instance, got, want)
		}
	}
	if got := (&Unit{Name: "web.service"}).sibling("web.socket"); got != "web.socket" {
		t.Errorf("web.service writes web.socket as %s", got)
	}
}
