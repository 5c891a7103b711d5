package units

import (
	"io/fs"
	"path"
	"strings"
)

// registersSession reports whether the PAM stack of that name opens a session of
// systemd-logind, as far as root tells; an unknown stack does.
func registersSession(root fs.FS, stack string) bool {
	const deepest = 8 // of files that include files
	return stackHas(root, stack, "pam_systemd.so", deepest)
}

// stackHas looks for a module in /etc/pam.d, see pam.conf(5). "@include" is Debian's.
func stackHas(root fs.FS, stack, module string, depth int) bool {
	text, ok := readHead(root, path.Join("/etc/pam.d", path.Base(stack)))
	if !ok || depth == 0 {
		return true
	}
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		for i, word := range words {
			includes := word == "include" || word == "substack" || word == "@include"
			if path.Base(word) == module || includes && i+1 < len(words) && stackHas(root, words[i+1], module, depth-1) {
				return true
			}
		}
	}
	return false
}
