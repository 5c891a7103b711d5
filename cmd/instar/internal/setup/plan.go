package setup

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/instar-project/instar/internal/status"
	"github.com/instar-project/instar/internal/units"
)

// ErrNoUser: a service's name cannot be that of the user it would run as.
var ErrNoUser = errors.New("no name for a user")

// Where files belong on a system, besides the units.
const (
	policyFolder   = "/etc/dbus-1/system.d"
	sysusersFolder = "/etc/sysusers.d"
)

// Config describes a service, and where its files go.
type Config struct {
	// Service is the service. Plan fills in ExecReload and ExecReloadPost.
	Service units.Service

	// Helper is the path of instar, which answers for the upgrade. Empty: nothing
	// does.
	Helper string

	// Systemd is the major version that is to run the service. Zero: not known; the
	// unit is right for all, and those before [units.ReloadPost] warn of a line in it.
	Systemd int

	// Command is the command line that makes the files, for a comment in them. Empty: no
	// comment.
	Command string

	// Units is the folder where the unit files belong.
	Units string

	// Apart is a folder where all files are written, instead of where they belong,
	// for somebody to put them there later. Empty: none.
	Apart string
}

// File is a file to be.
type File struct {
	Path  string   // where it is written
	Place string   // where it belongs: Path, unless Config.Apart is set
	Text  string   //
	Then  []string // argv that makes a running system read it; nil: none
}

// userName matches the names that sysusers.d(5) and DynamicUser= both take.
var userName = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,30}$`)

// Plan says which files a service needs, in the order in which they are to be
// written: the bus looks for the user when it reads its policy. Nothing is read or
// written.
//
// Errors: [units.ErrInvalid], [ErrNoUser], [status.ErrNoName].
func Plan(c Config) ([]File, error) {
	c.Service.ExecReload, c.Service.ExecReloadPost = c.helper()
	c.Service.Settings = c.refreshed()
	written, err := units.Write(c.Service)
	if err != nil {
		return nil, err
	}
	var files []File
	reload := []string{"systemctl", "daemon-reload"}
	if c.Service.Scope == units.User {
		reload = []string{"systemctl", "--user", "daemon-reload"}
	} else if files, err = c.bus(); err != nil {
		return nil, err
	}
	for _, u := range written {
		text := u.Text
		if c.Command != "" {
			text = "# " + strings.Map(onOneLine, c.Command) + "\n" + text
		}
		files = append(files, c.file(filepath.Join(c.Units, u.Name), u.Name, text))
	}
	files[len(files)-1].Then = reload
	return files, nil
}

// onOneLine keeps a comment from ending.
func onOneLine(r rune) rune {
	if unicode.IsControl(r) {
		return ' '
	}
	return r
}

// file makes a file: place is its path in the system, apart its name if all files
// go into one folder.
func (c Config) file(place, apart, text string, then ...string) File {
	f := File{Path: place, Place: place, Text: text, Then: then}
	if c.Apart != "" {
		f.Path = filepath.Join(c.Apart, apart)
	}
	return f
}

// helper is the pair of commands that tell systemd the verdict of an upgrade. Where
// systemd runs ExecReloadPost=, ExecReload= runs before the upgrade, and is its preflight.
func (c Config) helper() (reload, post []string) {
	if c.Helper == "" {
		return nil, nil
	}
	command := func(phase string) []string {
		argv := []string{c.Helper, "reload-verdict"}
		if c.Service.Scope == units.User {
			argv = append(argv, "--user")
		}
		return append(argv, "--phase="+phase, c.Service.ServiceUnit())
	}
	reload = command("reload")
	if c.Systemd == 0 || c.Systemd >= units.ReloadPost {
		post = command("post")
	}
	return reload, post
}

// refreshed returns the settings. If there are credentials among them, it adds the
// line that makes a reload renew those.
func (c Config) refreshed() []units.Setting {
	settings := c.Service.Settings
	credential := func(s units.Setting) bool { return strings.Contains(s.Name, "Credential") }
	already := func(s units.Setting) bool { return s.Name == "RefreshOnReload" }
	if c.Systemd < units.RefreshOnReload || !slices.ContainsFunc(settings, credential) || slices.ContainsFunc(settings, already) {
		return settings
	}
	return append(slices.Clone(settings), units.Setting{Name: "RefreshOnReload", Value: "credentials"})
}

// bus returns the files that the system bus needs to let the service on: a user
// that it can know, and a policy.
func (c Config) bus() ([]File, error) {
	service := c.Service
	name, err := status.Name(service.ServiceUnit())
	if err != nil {
		return nil, err
	}
	var files []File
	user, made := c.account()
	if made != "" {
		if !userName.MatchString(user) || user == "root" {
			return nil, fmt.Errorf("setup: %w: %q cannot be the user that the service %s runs as; name one by --account", ErrNoUser, user, service.Name)
		}
		text := fmt.Sprintf("# The user of %s, which DynamicUser=yes then uses. The bus has to know it\n"+
			"# before the service is started.\nu %s -\n", service.ServiceUnit(), user)
		files = append(files, c.file(made, user+".sysusers.conf", text, "systemd-sysusers", made))
	}
	policy, err := status.Policy(name, user)
	if err != nil {
		return nil, err
	}
	return append(files, c.file(filepath.Join(policyFolder, name+".conf"), service.Name+".dbus.conf", policy,
		"systemctl", "reload", "dbus.service")), nil
}

// account is the user that the service runs as, and where the file belongs that makes
// it; "" if somebody else does.
func (c Config) account() (name, made string) {
	switch {
	case c.Service.Scope == units.User:
		return "", ""
	case c.Service.Account != "":
		return c.Service.Account, ""
	}
	return c.Service.Name, filepath.Join(sysusersFolder, "instar-"+c.Service.Name+".conf")
}
