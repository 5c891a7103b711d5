package load

import (
	"strings"
	"testing"
	"time"
)

func TestStreamsThatBreak(t *testing.T) {
	well := func(line string) string { return "1 " + line + "\n" }
	for _, test := range []struct {
		name   string
		meddle func(n int, line string) (string, bool)
		reason string
	}{
		{"ends at once", func(int, string) (string, bool) { return "", false }, "after 0 lines"},
		{"ends after a few lines", func(n int, line string) (string, bool) { return well(line), n < 8 }, "after 8 lines"},
		{"ends within a line", func(n int, line string) (string, bool) {
			if n == 9 {
				return well(line)[:10], false
			}
			return well(line), true
		}, "after 8 lines"},
		{"loses a line", func(n int, line string) (string, bool) {
			if n == 6 {
				return "", true
			}
			return well(line), true
		}, `came back for "stream`},
		{"repeats a line", func(n int, line string) (string, bool) {
			if n == 5 {
				return well(line) + well(line), true
			}
			return well(line), true
		}, `came back for "stream`},
		{"changes a line", func(n int, line string) (string, bool) {
			return well(strings.Replace(line, "line 7", "line 8", 1)), true
		}, `came back for "stream`},
		{"forgets the generation", func(n int, line string) (string, bool) { return line + "\n", true }, `came back for "stream`},
		{"names no generation", func(n int, line string) (string, bool) { return "x" + well(line), true }, `"x1" is not the number`},
		{"never ends a line", func(n int, line string) (string, bool) { return strings.Repeat("1", maxLine), true }, "buffer full"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			end := Endpoint{Network: "unix"}
			newEchoStream(t, &end, echoLines(test.meddle))
			config := only()
			config.Streams = []Endpoint{end}
			config.Stream = Clients{Count: 2, Rate: 2000}
			config.StreamLife = Range{time.Hour, time.Hour}
			l, _ := start(t, config)
			until(t, l, func(c Counts) bool { return c.StreamsBroken >= 4 })
			c := l.Stop()
			if c.StreamsOpen != 0 || c.StreamsBroken < c.Streams-2 {
				// Two may have been stopped by the test before they could
				// break.
				t.Errorf("%d of %d streams broken, want next to all", c.StreamsBroken, c.Streams)
			}
			if reason := c.Failures[0].Reason; !strings.Contains(reason, test.reason) {
				t.Errorf("reason %q, want %q", reason, test.reason)
			}
		})
	}
}

// Data after the last echo must be noticed, or a line repeated at the very end
// would be missed.
func TestStreamWithTooMuchAtItsEnd(t *testing.T) {
	end := Endpoint{Network: "tcp"}
	newEchoStream(t, &end, echoLines(func(n int, line string) (string, bool) {
		if n == linesAtOnce {
			return "1 " + line + "\n1 " + line + "\n", true
		}
		return "1 " + line + "\n", true
	}))
	config := only()
	config.Streams = []Endpoint{end}
	config.Stream = Clients{Count: 1, Rate: 2000}
	config.StreamLife = Range{0, 1} // one round of lines
	l, _ := start(t, config)
	until(t, l, func(c Counts) bool { return c.StreamsBroken >= 3 })
	if c := l.Stop(); c.StreamsBroken != c.Streams || !strings.Contains(c.Failures[0].Reason, "came after the last echo") {
		t.Errorf("%d of %d streams broken: %v", c.StreamsBroken, c.Streams, c.Failures)
	}
}

// A silent service breaks a stream after the time-out.
func TestStreamTimesOut(t *testing.T) {
	end := Endpoint{Network: "unix"}
	newEchoStream(t, &end, echoLines(func(int, string) (string, bool) { return "", true }))
	config := only()
	config.Streams = []Endpoint{end}
	config.Stream = Clients{Count: 1, Rate: 1000}
	config.Timeout = 10 * time.Millisecond
	l, _ := start(t, config)
	until(t, l, func(c Counts) bool { return c.StreamsBroken >= 2 })
	if c := l.Stop(); !strings.Contains(c.Failures[0].Reason, "i/o timeout") {
		t.Errorf("want a time-out: %v", c.Failures)
	}
}

func TestLinesDiffer(t *testing.T) {
	seen := map[string]bool{}
	for stream := range 20 {
		for number := range 300 {
			l := line(stream, number)
			if seen[l] || len("1000000 "+l+"\n") > maxLine || strings.Contains(l, "\n") {
				t.Fatalf("stream %d, line %d: %q occurs twice, or does not fit", stream, number, l)
			}
			seen[l] = true
		}
	}
}

func TestParseEcho(t *testing.T) {
	for _, test := range []struct {
		got, want  string
		generation int // 0: an error
	}{
		{"3 hello", "hello", 3},
		{"3 hello you", "hello you", 3},
		{"3 hello", "hell", 0},
		{"0 hello", "hello", 0},
		{"-1 hello", "hello", 0},
		{"hello", "hello", 0},
		{"", "hello", 0},
		{"three hello", "hello", 0},
	} {
		if n, err := parseEcho(test.got, test.want); n != test.generation || (err == nil) != (n > 0) {
			t.Errorf("parseEcho(%q, %q) = %d, %v; want %d", test.got, test.want, n, err, test.generation)
		}
	}
}

func FuzzParseEcho(f *testing.F) {
	f.Add("3 hello", "hello")
	f.Add("hello", "hello")
	f.Add("", "")
	f.Add("1", "")
	f.Fuzz(func(t *testing.T, got, want string) {
		if n, err := parseEcho(got, want); err == nil && (n < 1 || !strings.HasSuffix(got, " "+want)) {
			t.Errorf("parseEcho(%q, %q) = %d", got, want, n)
		}
	})
}
