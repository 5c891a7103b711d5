package main

import (
	"strings"
	"testing"
)

// Whatever the journal has, it is one line, and does not steer the terminal.
func FuzzParseEntry(f *testing.F) {
	f.Add([]byte(`{"__REALTIME_TIMESTAMP":"1770134706123456","INSTAR_ATTEMPT":"1","INSTAR_RESULT":"succeeded","INSTAR_TOOK_USEC":"12345"}`))
	f.Add([]byte(`{"INSTAR_RESULT":"failed","INSTAR_REASON":[110,111,10,27]}`))
	f.Add([]byte(`{"INSTAR_TO_BUILD":["a",[1,2],null],"INSTAR_REASON":null}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		e, err := parseEntry(line)
		if err != nil {
			return
		}
		if s := e.String(); strings.ContainsAny(s, "\n\r\x1b") {
			t.Errorf("%q", s)
		}
	})
}
