package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/instar-project/instar/reload"
)

// The bus says that the successor has crashed, and the journal has its words.
func TestVerdictWithWords(t *testing.T) {
	began := time.UnixMicro(1770134706000000)
	const entry = `{"__REALTIME_TIMESTAMP":"%d","INSTAR_ATTEMPT":"7","INSTAR_RESULT":"failed","INSTAR_LAST_WORDS":"panic: oh"}`
	for name, c := range map[string]struct {
		journal string
		want    string
	}{
		"its entry":                    {fmt.Sprintf("echo '"+entry+"'", began.UnixMicro()+1), "panic: oh"},
		"one of before the last start": {fmt.Sprintf("echo '"+entry+"'", began.UnixMicro()-1), ""},
		"none":                         {"true", ""},
		"not for this user":            {"exit 1", ""},
		"no JSON":                      {"echo no", ""},
		"an entry without words":       {fmt.Sprintf(`echo '{"__REALTIME_TIMESTAMP":"%d"}'`, began.UnixMicro()+1), ""},
	} {
		t.Run(name, func(t *testing.T) {
			bin := t.TempDir()
			script := "#!/bin/sh\n" +
				`case "$*" in *INSTAR_ATTEMPT=7*_SYSTEMD_UNIT=web.service*) ;; *) exit 2 ;; esac` + "\n" + c.journal + "\n"
			if err := os.WriteFile(filepath.Join(bin, "journalctl"), []byte(script), 0o755); err != nil {
				t.Fatal(err)
			}
			t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
			v := reload.Verdict{Attempt: 7, Err: errors.New("the successor ended"), Began: began}
			if got := new(options).withWords(t.Context(), "web.service", v, time.Millisecond); got.Words != c.want {
				t.Errorf("the words are %q, want %q", got.Words, c.want)
			}
		})
	}
}

// A view that is drawn again asks the journal once.
func TestWordsAreKnown(t *testing.T) {
	bin := t.TempDir()
	script := "#!/bin/sh\necho asked >> " + bin + "/asked\n" +
		`echo '{"__REALTIME_TIMESTAMP":"1770134706000001","INSTAR_LAST_WORDS":"panic: oh"}'` + "\n"
	if err := os.WriteFile(filepath.Join(bin, "journalctl"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	failed := reload.Verdict{Attempt: 1, Err: errors.New("the successor ended"), Began: time.UnixMicro(1770134706000000)}
	w := &words{options: new(options)}
	for range 2 {
		if got := upgradeOf(w.of(t.Context(), "web.service", failed)).Reason; got != "the successor ended: panic: oh" {
			t.Errorf("the reason is %q", got)
		}
	}
	if asked, _ := os.ReadFile(filepath.Join(bin, "asked")); string(asked) != "asked\n" {
		t.Errorf("journalctl was run as often as this:\n%s", asked)
	}
}
