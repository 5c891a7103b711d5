package machine

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// Version is a major version of systemd, such as "257".
type Version string

// The versions there is an image for.
const (
	V254 Version = "254" // Debian 12 with backports: the lowest that Instar supports
	V257 Version = "257" // Debian 13: the version tests run on by default
	V262 Version = "262" // Debian forky
)

// Versions returns all versions there is an image for, lowest first.
func Versions() []Version { return []Version{V254, V257, V262} }

// VersionsVariable names the environment variable that chooses the versions to
// test on: a list such as "254,257,262", or "all".
const VersionsVariable = "INSTAR_SYSTEMD"

// Wanted returns the versions that [VersionsVariable] asks for, in its order,
// or only [V257] when it is not set or empty.
func Wanted() ([]Version, error) {
	wanted, err := ParseVersions(os.Getenv(VersionsVariable))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", VersionsVariable, err)
	}
	return wanted, nil
}

// ParseVersions reads a list of versions separated by commas, spaces around
// them allowed. "" is V257 alone, "all" is every version there is an image for.
// A version named twice counts once.
func ParseVersions(list string) ([]Version, error) {
	switch strings.TrimSpace(list) {
	case "":
		return []Version{V257}, nil
	case "all":
		return Versions(), nil
	}
	var wanted []Version
	for field := range strings.SplitSeq(list, ",") {
		v := Version(strings.TrimSpace(field))
		if _, err := recipeFor(v); err != nil {
			return nil, err
		}
		if !slices.Contains(wanted, v) {
			wanted = append(wanted, v)
		}
	}
	return wanted, nil
}
