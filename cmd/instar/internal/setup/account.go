package setup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/instar-project/instar/internal/status"
)

// ErrTaken: there is an account of the service's name that is somebody else's.
var ErrTaken = errors.New("there is such an account already")

// Bounds of the UIDs that systemd makes up for DynamicUser=yes, see systemd.exec(5).
const firstDynamicUID, lastDynamicUID = 61184, 65519

// CheckAccount refuses a service whose account this package would make if somebody
// else has made it: DynamicUser=yes then uses that account as it is, and the service
// gets the rights of a mail system, or of a person. The account is the service's own if
// sysusers.d(5) says so in the file that Plan writes, or if systemd has made it up.
func (c Config) CheckAccount(ctx context.Context) error {
	name, made := c.account()
	if made == "" {
		return nil
	}
	if text, err := os.ReadFile(made); err == nil && strings.Contains(string(text), "\nu "+name+" ") {
		return nil
	}
	uid, found := lookUp(ctx, name)
	if !found || uid >= firstDynamicUID && uid <= lastDynamicUID {
		return nil
	}
	return fmt.Errorf("setup: %w: %s (UID %d), which init has not made: the service would run with its rights; name an account of its own by --account, or --account=%[2]s if that one is meant", ErrTaken, name, uid)
}

// lookUp asks for an account wherever the system has accounts: getent(1) asks NSS,
// which this program is not linked with.
func lookUp(ctx context.Context, name string) (uid int, found bool) {
	line, err := exec.CommandContext(ctx, "getent", "passwd", name).Output()
	if fields := strings.Split(string(line), ":"); err == nil && len(fields) > 2 && fields[0] == name {
		uid, err = strconv.Atoi(fields[2])
		return uid, err == nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return 0, false
	}
	uid, err = strconv.Atoi(u.Uid)
	return uid, err == nil
}

// SharingAccount are the names on the bus of other services whose policy allows the
// account that the service is given: services of one account may take each other's name.
func (c Config) SharingAccount() []string {
	own, err := status.Name(c.Service.ServiceUnit())
	if c.Service.Account == "" || err != nil {
		return nil
	}
	policies, _ := filepath.Glob(filepath.Join(policyFolder, status.NamePrefix+"*.conf")) // fails for a bad pattern only
	var others []string
	for _, file := range policies {
		name := strings.TrimSuffix(filepath.Base(file), ".conf")
		text, err := os.ReadFile(file)
		if err == nil && name != own && strings.Contains(string(text), `<policy user="`+c.Service.Account+`">`) {
			others = append(others, name)
		}
	}
	slices.Sort(others)
	return others
}
