package units

import (
	"testing"
	"testing/fstest"
)

func TestWrapped(t *testing.T) {
	root := fstest.MapFS{
		"opt/web/start":  {Data: []byte("#!/bin/sh\n# exec it\nulimit -n 4096\nexec 2>&1\n/opt/web/web\n")},
		"opt/web/execs":  {Data: []byte("#!/usr/bin/env bash\nset -e\nif true; then\n  exec env A=1 /opt/web/web \"$@\"\nfi\n")},
		"opt/web/python": {Data: []byte("#!/usr/bin/python3\nimport os\n")},
		"opt/web/web":    {Data: []byte("\x7fELF")},
	}
	for line, want := range map[string]struct {
		by  string
		how wrapping
	}{
		"/opt/web/web -c sh":                                  {"/opt/web/web", bare},
		"/usr/bin/env A=/b nice -n 5 /opt/web/web":            {"/opt/web/web", bare},
		"/usr/bin/taskset -c 0 /usr/bin/sudo -u a /opt/web/w": {"/usr/bin/sudo", stays},
		"/usr/bin/chrt -b 0 sh -c '/opt/web/web; true'":       {"sh", stays},
		`/bin/sh -c "exec /opt/web/web"`:                      {"/bin/sh", bare},
		`/bin/bash -ec "cd /srv && A=1 exec -a x /w"`:         {"/bin/bash", bare},
		`/bin/sh -c "/opt/web/web -x"`:                        {"/bin/sh", mayStay},
		`/bin/sh -c "exec 2>/dev/null; /opt/web/web"`:         {"/bin/sh", stays},
		"/bin/sh":                      {"/bin/sh", stays},
		"/bin/sh -e /opt/web/start":    {"/opt/web/start", stays},
		"/opt/web/start":               {"/opt/web/start", stays},
		"/usr/bin/env /opt/web/execs":  {"/opt/web/execs", bare},
		"/opt/web/python":              {"/opt/web/python", bare},
		"/opt/web/missing":             {"/opt/web/missing", bare},
		"/usr/bin/podman run --rm web": {"/usr/bin/podman", contains},
		"/usr/bin/env":                 {"/usr/bin/env", bare},
		"":                             {"", bare},
	} {
		if by, how := wrapped(splitWords(line), root); by != want.by || how != want.how {
			t.Errorf("%s: %s %d, want %s %d", line, by, how, want.by, want.how)
		}
	}
	if _, how := wrapped([]string{"/opt/web/start"}, nil); how != bare {
		t.Error("an unreadable script is blamed")
	}
}
