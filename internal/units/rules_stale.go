package units

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"
)

// Rules for settings that a reload leaves as they were when systemd started the
// service.
var staleRules = []Rule{{
	ID: "credentials", Severity: Hint, Man: "systemd.exec(5)",
	Summary: "credentials that a reload renews",
	check: onService(func(u *Unit, o Options, report reporter) {
		for _, name := range []string{"LoadCredential", "LoadCredentialEncrypted", "ImportCredential", "SetCredential", "SetCredentialEncrypted"} {
			all := u.list("Service", name)
			if len(all) == 0 {
				continue
			}
			switch {
			case o.Systemd > 0 && o.Systemd < RefreshOnReload:
				report(u, all[0], fmt.Sprintf("a renewed credential reaches the service at a restart, and not at a reload: no setting before systemd %d changes that", RefreshOnReload), "")
			case !u.refreshes("credentials"):
				at, _ := u.last("Service", "RefreshOnReload")
				report(u, at, "a renewed credential reaches the service at a restart, and not at a reload", "RefreshOnReload=credentials")
			}
			return // one is enough
		}
	}),
}, {
	ID: "output-file", Severity: Hint, Man: "systemd.exec(5)",
	Summary: "logs in the journal, or rotated by copytruncate",
	check: onService(func(u *Unit, _ Options, report reporter) {
		for _, name := range []string{"StandardOutput", "StandardError"} {
			d, _ := u.last("Service", name)
			switch kind, file, _ := strings.Cut(d.Value, ":"); kind {
			case "append":
				report(u, d, "when the file is rotated by renaming it, the service goes on writing into the old one until its next upgrade: use copytruncate of logrotate(8), reload the service in postrotate, or log to the journal", "")
			case "file", "truncate":
				write := ""
				if file != "" {
					write = name + "=append:" + file
				}
				report(u, d, fmt.Sprintf("%s: does not write at the end of the file: after copytruncate of logrotate(8) it leaves a hole as long as the old log; append: does", kind), write)
			}
		}
	}),
}, {
	ID: "working-directory", Severity: Hint, Man: "systemd.exec(5)",
	Summary: "a WorkingDirectory= that a deployment does not move",
	check: onService(func(u *Unit, o Options, report reporter) {
		d, _ := u.last("Service", "WorkingDirectory")
		if link := symlinkIn(o.Root, u.expand(strings.TrimPrefix(d.Value, "-"))); link != "" {
			report(u, d, fmt.Sprintf("%s is a symlink: when a deployment moves it, an upgrade follows only if the service sets reload.Config.Command to status.Command, or reload.Config.Directory; otherwise the new version works in the old folder", link), "")
		}
	}),
}, {
	ID: "environment-file", Severity: Warning, Man: "systemd.exec(5)",
	Summary: "an EnvironmentFile= that the service can read",
	check: onService(func(u *Unit, o Options, report reporter) {
		if u.user() == "root" {
			return
		}
		for _, d := range u.list("Service", "EnvironmentFile") {
			if file := u.expand(strings.TrimPrefix(d.Value, "-")); onlyRoot(o.Root, file) {
				report(u, d, fmt.Sprintf("only root can read %s: systemd reads it at a start, but the service cannot at an upgrade and keeps the old values; restart it when they change, or use LoadCredential=", file), "")
			}
		}
	}),
}, {
	ID: "root-image", Severity: Warning, Man: "systemd.exec(5)",
	Summary: "no image around the program",
	check: onService(func(u *Unit, o Options, report reporter) {
		mounts := []string{"RootImage", "RootMStack"}
		if o.Systemd < RefreshOnReload || !u.refreshes("extensions") {
			mounts = append(mounts, "ExtensionImages", "ExtensionDirectories")
		}
		for _, name := range mounts {
			if d, ok := u.last("Service", name); ok {
				report(u, d, fmt.Sprintf("%s= is mounted when systemd starts the service: an upgrade finds the program that was in it then, a newer image takes a restart", name), "")
			}
		}
		if u.is("Service", "RootEphemeral") {
			d, _ := u.last("Service", "RootEphemeral")
			report(u, d, "RootEphemeral= is a copy that systemd makes when it starts the service: an upgrade finds the program that was there then", "RootEphemeral=no")
		}
	}),
}}

// RefreshOnReload is the first version of systemd with RefreshOnReload=.
const RefreshOnReload = 260

// refreshes reports whether RefreshOnReload= has systemd renew that at a reload.
func (u *Unit) refreshes(kind string) bool {
	on := kind == "extensions" // the default
	for _, word := range u.words("Service", "RefreshOnReload") {
		if all, err := parseBool(word); err == nil {
			on = all
			continue
		}
		name, off := strings.CutPrefix(word, "~")
		if name == kind {
			on = !off
		}
	}
	return on
}

// symlinkIn is the first symlink in a path; "" without one. Those at the top, such as
// /lib and /var/run, are the system's own, and stay.
func symlinkIn(root fs.FS, file string) string {
	links, ok := root.(fs.ReadLinkFS)
	if !ok || !path.IsAbs(file) {
		return ""
	}
	own := []string{"/var/run", "/var/lock"}
	at := "/"
	for i, element := range strings.Split(strings.Trim(path.Clean(file), "/"), "/") {
		at = path.Join(at, element)
		info, err := links.Lstat(inRoot(at))
		if err != nil {
			return ""
		}
		if info.Mode()&fs.ModeSymlink != 0 && i > 0 && !slices.Contains(own, at) {
			return at
		}
	}
	return ""
}

// onlyRoot reports whether a file belongs to root, and no other user can read it.
func onlyRoot(root fs.FS, file string) bool {
	if root == nil || !path.IsAbs(file) {
		return false
	}
	info, err := fs.Stat(root, inRoot(file))
	if err != nil || info.Mode().Perm()&0o044 != 0 {
		return false
	}
	stat, known := info.Sys().(*syscall.Stat_t)
	return !known || stat.Uid == 0
}
