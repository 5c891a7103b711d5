package machine

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"strings"
)

// recipe says where a version of systemd comes from. arguments has the part that
// all versions share.
type recipe struct {
	suite   string   // the suite mmdebstrap bootstraps
	also    []string // further suites that packages may come from
	prefer  string   // the suite to take a package from when several have it; "" is suite
	expired bool     // the suite's Release file may be out of date
}

// recipes has one entry for each of Versions.
var recipes = map[Version]recipe{
	V254: {suite: "bookworm", also: []string{"bookworm-backports"}, prefer: "bookworm-backports"},
	V257: {suite: "trixie"},
	V262: {suite: "forky", expired: true},
}

// keyring has the keys of the Debian archive. Named, since the host may be no
// Debian, or keep it where apt does not look by itself.
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// packages are those in a machine besides the essential ones of Debian: systemd, a
// message bus, the needs of a user manager (pam_systemd and a session bus), and a
// few tools to look around with.
var packages = []string{
	"systemd", "systemd-sysv", "dbus", "libpam-systemd", "dbus-user-session",
	"curl", "iproute2", "procps",
}

// customize is run by mmdebstrap with the tree as $1, as the last step.
//
//go:embed customize.sh
var customize string

func recipeFor(v Version) (recipe, error) {
	r, ok := recipes[v]
	if !ok {
		var known []string
		for _, v := range Versions() {
			known = append(known, string(v))
		}
		return recipe{}, fmt.Errorf("machine: no image for systemd %q; there is one for %s",
			string(v), strings.Join(known, ", "))
	}
	return r, nil
}

// arguments returns the command line for mmdebstrap(1), its name left out, that
// builds the tree in target from mirror.
func (r recipe) arguments(mirror, target string) []string {
	args := []string{
		"--quiet",
		"--mode=root",
		"--format=directory",
		"--variant=minbase",
		"--include=" + strings.Join(packages, ","),
		`--aptopt=Acquire::Retries "3"`,
		`--aptopt=Acquire::Languages "none"`,
		"--dpkgopt=path-exclude=/usr/share/doc/*",
		"--dpkgopt=path-exclude=/usr/share/locale/*",
		"--dpkgopt=path-exclude=/usr/share/man/*",
		"--customize-hook=" + customize,
	}
	if r.expired {
		args = append(args, `--aptopt=Acquire::Check-Valid-Until "false"`)
	}
	if r.prefer != "" {
		args = append(args, fmt.Sprintf("--aptopt=APT::Default-Release %q", r.prefer))
	}
	args = append(args, r.suite, target)
	for _, suite := range append([]string{r.suite}, r.also...) {
		args = append(args, fmt.Sprintf("deb [signed-by=%s] %s %s main", keyring, mirror, suite))
	}
	return args
}

// key identifies the recipe: a changed recipe has another key, and so an image
// of its own. The mirror doesn't count, for all mirrors hold the same.
func (r recipe) key() string {
	sum := sha256.Sum256([]byte(strings.Join(r.arguments("MIRROR", "TARGET"), "\x00")))
	return hex.EncodeToString(sum[:6])
}
