package units

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Rules for settings that remove the path of a Unix socket. systemd binds it once,
// when the .socket starts; without its path no client reaches the socket, and
// systemd does not notice.
var pathRules = []Rule{{
	ID: "socket-path", Severity: Error, Man: "systemd.exec(5)",
	Summary: "paths of sockets that stay",
	check: func(p Pair, _ Options, report reporter) {
		for _, s := range p.Sockets {
			for _, address := range s.paths() {
				if d, ok := p.Service.removesAtStop(address); ok {
					report(p.Service, d, fmt.Sprintf("systemd removes RuntimeDirectory= when the service stops, restarts or crashes, and %s of %s with it: clients find no socket from then on", address, s.Name), "RuntimeDirectoryPreserve=yes")
				}
				for _, d := range p.Service.deletes(address) {
					report(p.Service, d, fmt.Sprintf("%s= removes %s of %s, which systemd does not make again: clients find no socket from then on", d.Name, address, s.Name), "")
				}
			}
		}
	},
}}

// paths are those of a socket unit's Unix sockets, specifiers of its name replaced.
func (u *Unit) paths() []string {
	var all []string
	for _, d := range u.listenLines() {
		if address := u.expand(d.Value); strings.HasPrefix(address, "/") || strings.HasPrefix(address, "%t/") {
			all = append(all, path.Clean(address))
		}
	}
	return all
}

// listenLines are the addresses of a socket unit, but for those of FIFOs and the like.
func (u *Unit) listenLines() []Directive {
	return slices.Concat(u.list("Socket", "ListenStream"), u.list("Socket", "ListenDatagram"), u.list("Socket", "ListenSequentialPacket"))
}

// removesAtStop returns the line by which systemd removes that path at a stop.
// State, cache, log and configuration directories stay.
func (u *Unit) removesAtStop(address string) (at Directive, ok bool) {
	if u.value("Service", "RuntimeDirectoryPreserve", "no") == "yes" {
		return Directive{}, false
	}
	below, ok := belowRuntime(address)
	if !ok {
		return Directive{}, false
	}
	for _, d := range u.list("Service", "RuntimeDirectory") {
		for _, word := range splitWords(d.Value) {
			// FOLDER[:LINK[:FLAGS]]; either may be in the address.
			parts := strings.Split(u.expand(word), ":")
			for _, folder := range parts[:min(2, len(parts))] {
				if folder != "" && within(below, path.Clean(folder)) {
					return d, true
				}
			}
		}
	}
	return Directive{}, false
}

// belowRuntime is a path relative to the folder that RuntimeDirectory= is in: /run for
// the system, $XDG_RUNTIME_DIR for a user.
func belowRuntime(address string) (rest string, ok bool) {
	for _, prefix := range []string{"%t/", "/run/", "/var/run/"} {
		if rest, ok = strings.CutPrefix(address, prefix); ok {
			break
		}
	}
	if user, isUser := strings.CutPrefix(rest, "user/"); isUser {
		if _, below, deeper := strings.Cut(user, "/"); deeper {
			rest = below
		}
	}
	return rest, ok
}

// deletes are the commands around the service that remove a path, which is a custom
// of services that bind their sockets themselves.
func (u *Unit) deletes(address string) []Directive {
	var all []Directive
	for _, name := range []string{"ExecCondition", "ExecStartPre", "ExecStartPost", "ExecStop", "ExecStopPost"} {
		for _, d := range u.list("Service", name) {
			words := strings.FieldsFunc(u.expand(d.Value), func(r rune) bool { return strings.ContainsRune(" \t;&|\"'", r) })
			removes := func(word string) bool {
				base := path.Base(strings.TrimLeft(word, "@-:+!|"))
				return base == "rm" || base == "unlink"
			}
			if at := slices.IndexFunc(words, removes); at >= 0 && slices.Contains(words[at:], address) {
				all = append(all, d)
			}
		}
	}
	return all
}
