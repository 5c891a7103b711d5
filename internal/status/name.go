package status

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// The service's names on the bus.
const (
	// NamePrefix is the beginning of every well-known name.
	NamePrefix = "io.github.instar_project.unit."
	// Path is the one object of a service.
	Path = "/io/github/instar_project/Service1"
	// Interface is that of the object. An incompatible one would end in 2.
	Interface = "io.github.instar_project.Service1"
)

// maxName is the longest name that the D-Bus specification allows.
const maxName = 255

// ErrNoName: there is no name for that on the bus.
var ErrNoName = errors.New("no name for the bus")

// Name is the well-known name of a service: NamePrefix and the unit's name without
// ".service", escaped as sd_bus_path_encode(3) escapes: a byte that is no ASCII
// letter or digit, and a digit at the start, becomes _ and two hexadecimal digits.
func Name(unit string) (string, error) {
	service := strings.TrimSuffix(unit, ".service")
	if service == "" {
		return "", fmt.Errorf("status: %w: the unit %q has none itself", ErrNoName, unit)
	}
	var b strings.Builder
	b.WriteString(NamePrefix)
	for i, c := range []byte(service) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		digit := '0' <= c && c <= '9'
		if letter || digit && i > 0 {
			b.WriteByte(c)
			continue
		}
		fmt.Fprintf(&b, "_%02x", c)
	}
	if b.Len() > maxName {
		return "", fmt.Errorf("status: %w: %q would be longer than %d characters; set Config.Name", ErrNoName, unit, maxName)
	}
	return b.String(), nil
}

// UnitOf is the unit that [Name] gives that name; ok is false if there is none. It
// needs no word of the service itself.
func UnitOf(name string) (unit string, ok bool) {
	escaped, ok := strings.CutPrefix(name, NamePrefix)
	if !ok {
		return "", false
	}
	var b []byte
	for i := 0; i < len(escaped); i++ {
		if escaped[i] != '_' {
			b = append(b, escaped[i])
			continue
		}
		if len(escaped)-i < 3 {
			return "", false
		}
		c, err := strconv.ParseUint(escaped[i+1:i+3], 16, 8)
		if err != nil {
			return "", false
		}
		b = append(b, byte(c))
		i += 2
	}
	unit = string(b) + ".service"
	again, err := Name(unit)
	return unit, err == nil && again == name
}

// checkName checks a well-known name of the application's own choice.
func checkName(name string) error {
	elements := strings.Split(name, ".")
	ok := len(elements) >= 2 && len(name) <= maxName
	for _, e := range elements {
		ok = ok && e != "" && (e[0] < '0' || e[0] > '9')
		for _, c := range []byte(e) {
			ok = ok && ('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-')
		}
	}
	if !ok {
		return fmt.Errorf("status: %w: %q is not a well-known name: two or more elements of letters, digits, '_' and '-' between dots, none beginning with a digit", ErrNoName, name)
	}
	return nil
}
