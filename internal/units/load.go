package units

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ErrNotFound is in the error of [Load] and [Conn.Pair] when there is no such
// service.
var ErrNotFound = errors.New("no such unit")

// maxFile is more than any unit file has; systemd itself takes 1 MiB a line.
const maxFile = 4 << 20

// SearchPath are the folders where systemd looks for unit files, the one that
// counts most first; see "Unit File Load Path" in systemd.unit(5). Generated
// and transient units are left out. home is that of the user, for [User].
func SearchPath(scope Scope, home string) []string {
	if scope == User {
		return []string{
			filepath.Join(home, ".config/systemd/user"), "/etc/systemd/user", "/run/systemd/user",
			filepath.Join(home, ".local/share/systemd/user"), "/usr/local/lib/systemd/user", "/usr/lib/systemd/user",
		}
	}
	return []string{"/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system"}
}

// Load reads a service and its sockets from unit files and their drop-ins, as
// systemd would: of several folders, the first that has a file counts. The
// sockets are those that the service names (Sockets=, Requires=, Wants=), the
// one of its name, and those that name it (Service=).
//
// The error has [ErrNotFound] when no folder has the service. A socket that is
// named and missing is no error here: [Verify] finds it.
func Load(folders []string, service string) (Pair, error) {
	l := loader{folders}
	s, err := l.unit(service)
	if err != nil {
		return Pair{}, err
	}
	if s == nil {
		return Pair{}, fmt.Errorf("units: %s: %w in %s", service, ErrNotFound, strings.Join(folders, ", "))
	}
	pair := Pair{Service: s}
	sockets, err := l.sockets(s)
	if err != nil {
		return Pair{}, err
	}
	for _, name := range sockets {
		socket, err := l.unit(name)
		if err != nil {
			return Pair{}, err
		}
		if socket != nil {
			pair.Sockets = append(pair.Sockets, socket)
		}
	}
	if s.stores() {
		pair.SameUser, err = l.sharing(s)
	}
	return pair, err
}

type loader struct{ folders []string }

// sockets are the names of the units that may be a service's sockets.
func (l loader) sockets(service *Unit) ([]string, error) {
	names := []string{service.base() + ".socket"}
	names = append(names, socketsNamedBy(service)...)
	others, err := l.names("*.socket")
	if err != nil {
		return nil, err
	}
	for _, name := range others {
		if slices.Contains(names, name) {
			continue
		}
		socket, err := l.unit(name)
		if err != nil {
			return nil, err
		}
		if socket != nil && socket.Starts() == service.Name {
			names = append(names, name)
		}
	}
	seen := make(map[string]bool)
	return slices.DeleteFunc(names, func(name string) bool {
		defer func() { seen[name] = true }()
		return seen[name]
	}), nil
}

// sharing are the other services that have a store, and run as the same user.
func (l loader) sharing(service *Unit) ([]*Unit, error) {
	names, err := l.names("*.service")
	if err != nil {
		return nil, err
	}
	var all []*Unit
	for _, name := range names {
		if name == service.Name || name == template(service.Name) {
			continue
		}
		other, err := l.unit(name)
		if err != nil {
			continue // it is not this service's fault
		}
		if other != nil && other.stores() && other.user() == service.user() {
			all = append(all, other)
		}
	}
	return all, nil
}

// names are the names of all unit files that match, sorted.
func (l loader) names(pattern string) ([]string, error) {
	var names []string
	for _, folder := range l.folders {
		found, err := filepath.Glob(filepath.Join(escapeGlob(folder), pattern))
		if err != nil {
			return nil, fmt.Errorf("units: %s: %w", folder, err)
		}
		for _, file := range found {
			names = append(names, filepath.Base(file))
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// socketsNamedBy are the .socket units that a service wants to have.
func socketsNamedBy(service *Unit) []string {
	var names []string
	for _, setting := range [][2]string{{"Service", "Sockets"}, {"Unit", "Requires"}, {"Unit", "Wants"}, {"Unit", "BindsTo"}} {
		for _, word := range service.words(setting[0], setting[1]) {
			if word = service.expand(word); strings.HasSuffix(word, ".socket") && !slices.Contains(names, word) {
				names = append(names, word)
			}
		}
	}
	return names
}

// unit reads a unit; nil when no folder has it. A masked one is an empty file.
func (l loader) unit(name string) (*Unit, error) {
	if name != filepath.Base(name) || strings.HasPrefix(name, ".") {
		return nil, fmt.Errorf("units: %q is not the name of a unit", name)
	}
	var whole *Unit
	for _, candidate := range []string{name, template(name)} {
		for _, folder := range l.folders {
			if whole != nil || candidate == "" {
				continue
			}
			file := filepath.Join(folder, candidate)
			content, err := readUnitFile(file)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, err
			}
			whole = Parse(name, file, content)
		}
	}
	if whole == nil {
		return nil, nil
	}
	files, err := l.dropIns(name)
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		content, err := readUnitFile(file)
		if err != nil {
			return nil, err
		}
		dropIn := Parse(name, file, content)
		whole.Directives = append(whole.Directives, dropIn.Directives...)
		whole.Problems = append(whole.Problems, dropIn.Problems...)
	}
	return whole, nil
}

// template is the name of the template that a unit is an instance of; "" when
// it is none.
func template(name string) string {
	at, dot := strings.IndexByte(name, '@'), strings.LastIndexByte(name, '.')
	if at < 0 || dot < at {
		return ""
	}
	return name[:at+1] + name[dot:]
}

// dropIns are the files that add to a unit, in the order in which systemd reads
// them: by file name, whatever folder they are in. Of two folders for drop-ins
// the more specific one hides files of the same name in the other.
func (l loader) dropIns(name string) ([]string, error) {
	byName := make(map[string]string)
	for _, dir := range dropInFolders(name) {
		for _, folder := range l.folders {
			found, err := filepath.Glob(filepath.Join(escapeGlob(folder), escapeGlob(dir), "*.conf"))
			if err != nil {
				return nil, fmt.Errorf("units: %s: %w", folder, err)
			}
			for _, file := range found {
				if _, taken := byName[filepath.Base(file)]; !taken {
					byName[filepath.Base(file)] = file
				}
			}
		}
	}
	var files []string
	for _, base := range slices.Sorted(maps.Keys(byName)) {
		files = append(files, byName[base])
	}
	return files, nil
}

// dropInFolders are the names of the folders for a unit's drop-ins, the most
// specific first: web-a.service.d, web-.service.d, service.d.
func dropInFolders(name string) []string {
	dot := strings.LastIndexByte(name, '.')
	if dot < 0 {
		return nil
	}
	base, suffix := name[:dot], name[dot:]
	folders := []string{name + ".d"}
	if t := template(name); t != "" && t != name {
		folders = append(folders, t+".d")
	}
	for i := len(base) - 1; i > 0; i-- {
		if base[i] == '-' && i < len(base)-1 {
			folders = append(folders, base[:i+1]+suffix+".d")
		}
	}
	return append(folders, suffix[1:]+".d")
}

func readUnitFile(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("units: %w", err)
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return "", fmt.Errorf("units: %w", err)
	}
	if len(content) > maxFile {
		return "", fmt.Errorf("units: %s has more than %d bytes: that is no unit file", file, maxFile)
	}
	return string(content), nil
}

func escapeGlob(s string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(s)
}
