package units

import (
	"slices"
	"strings"
)

// filter evaluates a setting of systemd.exec(5) that is a list of words to allow
// or, after '~', to deny: SystemCallFilter=, RestrictAddressFamilies=. members
// returns the words that a word such as @process stands for. systemd takes the
// first line's kind for that of the whole list; lines of the other kind take away.
func filter(lines []Directive, members func(word string) []string) (allows func(string) bool) {
	if len(lines) == 0 {
		return func(string) bool { return true }
	}
	denyList := strings.HasPrefix(lines[0].Value, "~")
	var listed []string
	for _, d := range lines {
		value, deny := strings.CutPrefix(d.Value, "~")
		for _, word := range splitWords(value) {
			word, _, _ = strings.Cut(word, ":") // an errno of its own
			for _, m := range members(word) {
				if deny == denyList {
					listed = append(listed, m)
					continue
				}
				listed = slices.DeleteFunc(listed, func(s string) bool { return s == m })
			}
		}
	}
	return func(s string) bool { return slices.Contains(listed, s) != denyList }
}

// systemCallSets say which set of systemd-analyze(1), syscall-filter, has the
// system calls that an upgrade needs. They are the same in 254, 257 and 262; a
// test asks each.
var systemCallSets = map[string][]string{
	"@default":     {"execve"},
	"@file-system": {"fcntl"},
	"@ipc":         {"memfd_create"},
	"@network-io":  {"accept4", "getsockopt", "recvmsg", "sendmsg", "setsockopt", "socket", "socketpair"},
	"@process":     {"clone", "kill", "pidfd_open", "pidfd_send_signal", "wait4", "waitid"},
}

// systemCalls are those that a word of SystemCallFilter= stands for, as far as
// an upgrade needs them.
func systemCalls(word string) []string {
	switch word {
	case "@system-service", "@known":
		return neededSystemCalls(true)
	}
	if strings.HasPrefix(word, "@") {
		return systemCallSets[word]
	}
	return []string{word}
}

// neededSystemCalls are those that an upgrade makes, in order of their names.
func neededSystemCalls(store bool) []string {
	var all []string
	for set, calls := range systemCallSets {
		if store || set != "@ipc" {
			all = append(all, calls...)
		}
	}
	slices.Sort(all)
	return all
}
