package status

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/instar-project/instar/internal/units"
)

// unreadFiles says which files of EnvironmentFile= a generation goes without, a line each.
func unreadFiles(variables []units.Variables) []string {
	var all []string
	for _, source := range variables {
		if source.Err != nil {
			all = append(all, fmt.Sprintf("EnvironmentFile=%s: %v; its variables are those of the last start", source.Path, source.Err))
		}
	}
	return all
}

// renewed says which credentials have changed since systemd has loaded them, a line each;
// doubtful: also those of which that cannot be seen from within the service.
func renewed(x units.Execution, own []string, doubtful bool) []string {
	if x.RefreshesCredentials {
		return nil
	}
	dir := ""
	for _, kv := range own {
		if value, ok := strings.CutPrefix(kv, "CREDENTIALS_DIRECTORY="); ok {
			dir = value
		}
	}
	if dir == "" {
		return nil
	}
	var all []string
	for _, c := range x.Credentials {
		file := filepath.Join(dir, c.Name)
		loaded, err := os.Stat(file)
		if err != nil {
			continue // it was not there at the start, or is a folder of several
		}
		line := fmt.Sprintf("%s=%s:%s", c.Directive, c.Name, c.Source)
		source, err := os.Stat(c.Source)
		switch {
		case !filepath.IsAbs(c.Source) || x.OwnRoot || err != nil || !source.Mode().IsRegular():
			if doubtful {
				all = append(all, line+": whether it has changed cannot be seen from within the service; the credential is that of the last start")
			}
		case c.Directive == "LoadCredential" && sameText(file, c.Source):
		case changedAt(source).After(loaded.ModTime()):
			all = append(all, line+" has changed since systemd loaded it")
		}
	}
	return all
}

// maxCredential is the most that systemd takes.
const maxCredential = 1 << 20

// sameText reports whether two files are seen to have the same text. Files that root
// alone may read do not count.
func sameText(a, b string) bool {
	var texts [2][]byte
	for i, path := range []string{a, b} {
		info, err := os.Stat(path)
		if err != nil || info.Size() > maxCredential {
			return false
		}
		if texts[i], err = os.ReadFile(path); err != nil {
			return false
		}
	}
	return bytes.Equal(texts[0], texts[1])
}

// changedAt is when a file was written, replaced or given other rights.
func changedAt(info os.FileInfo) time.Time {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return info.ModTime()
	}
	return time.Unix(st.Ctim.Unix())
}
