package status

import (
	"encoding/xml"
	"fmt"
	"strings"
)

// Policy is the policy of the system bus for the well-known name of a service.
func Policy(name, user string) (string, error) {
	if err := checkName(name); err != nil {
		return "", err
	}
	if user == "" || strings.ContainsAny(user, "\n\x00") {
		return "", fmt.Errorf("status: a policy for %s: %q is no user: want User= of the unit", name, user)
	}
	var escaped strings.Builder
	if err := xml.EscapeText(&escaped, []byte(user)); err != nil {
		return "", fmt.Errorf("status: a policy for %s: %w", name, err)
	}
	users := []string{"root"}
	if user != "root" && user != "0" {
		users = append(users, escaped.String())
	}
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "https://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
`)
	b.WriteString("  <!-- Everyone reads. -->\n  <policy context=\"default\">\n")
	for _, allowed := range []string{
		`send_interface="org.freedesktop.DBus.Properties" send_member="Get"`,
		`send_interface="org.freedesktop.DBus.Properties" send_member="GetAll"`,
		`send_interface="org.freedesktop.DBus.Introspectable"`,
		`send_interface="org.freedesktop.DBus.Peer"`,
	} {
		fmt.Fprintf(&b, "    <allow send_destination=%q\n           %s/>\n", name, allowed)
	}
	b.WriteString("  </policy>\n")
	for _, u := range users {
		fmt.Fprintf(&b, "  <policy user=\"%s\">\n    <allow own=%q/>\n    <allow send_destination=%q/>\n  </policy>\n", u, name, name)
	}
	b.WriteString("</busconfig>\n")
	return b.String(), nil
}
