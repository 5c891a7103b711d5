package main

import (
	"fmt"
	"strings"
)

// unitTypes are the suffixes of systemd.unit(5) other than ".service".
var unitTypes = []string{
	".automount", ".device", ".mount", ".path", ".scope", ".slice", ".socket", ".swap", ".target", ".timer",
}

// serviceName is the service that an argument names: "web" and "web.service" are
// both web.service.
func serviceName(arg string) (string, error) {
	name := strings.TrimSuffix(arg, ".service")
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '/' }) {
		return "", misuse(fmt.Errorf("%q is no name of a unit: write one such as web or web.service", arg))
	}
	for _, suffix := range unitTypes {
		if base, ok := strings.CutSuffix(arg, suffix); ok {
			return "", misuse(fmt.Errorf("%s is no service: name the service, such as %s.service", arg, base))
		}
	}
	return name + ".service", nil
}

// serviceNames are those that all arguments name.
func serviceNames(args []string) ([]string, error) {
	names := make([]string, len(args))
	for i, arg := range args {
		var err error
		if names[i], err = serviceName(arg); err != nil {
			return nil, err
		}
	}
	return names, nil
}
