package reload

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"
	"unicode"

	"github.com/instar-project/instar/internal/handover"
)

const secret = "dial postgres://me:secret@db"

// The public and the private part of an error, on its way from a successor's application
// into the verdict of its predecessor.
func TestReasonsBetweenGenerations(t *testing.T) {
	_, noFile := os.Open("/nowhere")
	for name, c := range map[string]struct {
		err                  error
		public, words, whole string
		errno                syscall.Errno
	}{
		"the application's own words": {errors.New(secret),
			"the successor refused", secret, "the successor refused: " + secret, syscall.ECANCELED},
		"words with an errno": {fmt.Errorf("%s: %w", secret, syscall.ECONNREFUSED),
			"the successor refused: connection refused", secret + ": connection refused",
			"the successor refused: " + secret + ": connection refused", syscall.ECONNREFUSED},
		"a file that is missing": {noFile,
			"the successor refused: no such file or directory", "open /nowhere: no such file or directory",
			"the successor refused: open /nowhere: no such file or directory", syscall.ENOENT},
		"this library's words": {openly(errors.New("write FileDescriptorName=http")),
			"the successor refused: write FileDescriptorName=http", "",
			"the successor refused: write FileDescriptorName=http", syscall.ECANCELED},
		"a line of its own": {errors.New("a\nREADY=1\x1b[31m"),
			"the successor refused", "a READY=1 [31m", "the successor refused: a READY=1 [31m", syscall.ECANCELED},
	} {
		t.Run(name, func(t *testing.T) {
			datagram, err := handover.Encode(refusal(c.err))
			if err != nil {
				t.Fatal(err)
			}
			m, err := handover.Decode(datagram)
			if err != nil {
				t.Fatal(err)
			}
			f := sealed(refused(m.(handover.Refuse)))
			if f.Error() != c.public || f.words != c.words || f.whole() != c.whole || errno(f) != c.errno {
				t.Errorf("public %q, words %q, whole %q, errno %d; want %q, %q, %q, %d",
					f, f.words, f.whole(), errno(f), c.public, c.words, c.whole, c.errno)
			}
			if !errors.Is(f, ErrRefused) {
				t.Errorf("%v is no ErrRefused", f)
			}
		})
	}
}

// An unsealed error is the application's.
func TestSealed(t *testing.T) {
	for err, want := range map[error]string{
		fmt.Errorf("%w: parking: %s: %w", ErrStore, secret, syscall.ENOSPC): "the state could not be stored: no space left on device",
		errors.New(secret): "the service failed",
		because(fmt.Errorf("%w: here", ErrSpawn), syscall.EIO): "no successor could be started: here: input/output error",
	} {
		f := sealed(err)
		if f.Error() != want {
			t.Errorf("%v: %q is public, want %q", err, f, want)
		}
		if strings.Contains(err.Error(), secret) != strings.Contains(f.whole(), secret) {
			t.Errorf("the whole of %v is %q", err, f.whole())
		}
		if opened := f.opened(); opened.Error() != f.whole() || opened.words != "" {
			t.Errorf("opened, it is %q and %q", opened, opened.words)
		}
	}
}

// Every kind of failure is public by its sentence: one that is added is known to sealed.
func TestKindsAreKnown(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	declared := 0
	for _, decl := range file.Decls {
		vars, ok := decl.(*ast.GenDecl)
		if !ok || vars.Tok != token.VAR || !vars.Lparen.IsValid() {
			continue // ErrServed and others are errors of a call
		}
		declared += len(vars.Specs)
	}
	if declared == 0 || declared != len(kinds) {
		t.Errorf("errors.go declares %d kinds of failures, sealed knows %d", declared, len(kinds))
	}
}

// systemd takes no READY=1 beside an ERRNO= that is none.
func TestErrnoOfAnotherProcess(t *testing.T) {
	for number, want := range map[int]syscall.Errno{-1: syscall.ECANCELED, 0: syscall.ECANCELED, 5: 5, 4095: 4095, 4096: syscall.ECANCELED} {
		if got := errno(heard(ErrRefused, "why", "", number)); got != want {
			t.Errorf("%d is shown as %d, want %d", number, got, want)
		}
	}
}

// Nothing that another process says becomes a second line, or steers a terminal.
func FuzzHeard(f *testing.F) {
	f.Add("why", "", 0)
	f.Add("a\nREADY=1\x1b[31m", "\x00\xff\u2028", 1<<20)
	f.Fuzz(func(t *testing.T, reason, public string, number int) {
		got := heard(ErrRefused, reason, public, number)
		for _, text := range []string{got.public, got.words, got.whole()} {
			for _, r := range text {
				if !unicode.IsPrint(r) {
					t.Errorf("%q has %q", text, r)
				}
			}
		}
		if e := errno(got); e == 0 || e > 4095 {
			t.Errorf("errno %d", e)
		}
	})
}

// A log is the journal's: it has the words.
func TestFailureInALog(t *testing.T) {
	var b bytes.Buffer
	slog.New(slog.NewTextHandler(&b, nil)).Warn("took back", "reason", because(ErrStore, errors.New(secret)))
	if !strings.Contains(b.String(), secret) {
		t.Errorf("logged %s", &b)
	}
}

func TestVerdictReason(t *testing.T) {
	v := Verdict{Attempt: 1, Err: ErrCrashed, Words: "panic: " + secret}
	fields := v.Journal()
	if want := "the successor ended: panic: " + secret; v.Reason() != want || fields["INSTAR_REASON"] != want {
		t.Errorf("the reason is %q, in the journal %q; want %q", v.Reason(), fields["INSTAR_REASON"], want)
	}
	if fields["INSTAR_LAST_WORDS"] != v.Words || !strings.HasSuffix(fields["MESSAGE"], v.Words) {
		t.Errorf("%q", fields)
	}
	v = Verdict{Attempt: 1}
	if _, has := v.Journal()["INSTAR_LAST_WORDS"]; has || v.Reason() != "" {
		t.Errorf("of a success: %q, %q", v.Reason(), v.Journal())
	}
}
