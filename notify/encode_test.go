package notify

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"
)

func TestWire(t *testing.T) {
	for _, test := range []struct {
		fields []Field
		want   string
		fds    []int
	}{
		{fields: []Field{Ready}, want: "READY=1"},
		{fields: []Field{Stopping}, want: "STOPPING=1"},
		{fields: []Field{reloadingAt(1234567)}, want: "RELOADING=1\nMONOTONIC_USEC=1234567"},
		{fields: []Field{Status("completed 66% of …")}, want: "STATUS=completed 66% of …"},
		{fields: []Field{Status("READY=1")}, want: "STATUS=READY=1"},
		{fields: []Field{Status("")}, want: "STATUS="},
		{fields: []Field{MainPID(4711)}, want: "MAINPID=4711"},
		{fields: []Field{MainPIDFDID(4711, 1<<63)}, want: "MAINPID=4711\nMAINPIDFDID=9223372036854775808"},
		{fields: []Field{MainPIDFD(7)}, want: "MAINPIDFD=1", fds: []int{7}},
		{fields: []Field{MainPID(4711), MainPIDFD(7)}, want: "MAINPID=4711\nMAINPIDFD=1", fds: []int{7}},
		{fields: []Field{Errno(syscall.ENOENT)}, want: "ERRNO=2"},
		{fields: []Field{Errno(0)}, want: "ERRNO=0"},
		{fields: []Field{BusError("org.freedesktop.DBus.Error.TimedOut")}, want: "BUSERROR=org.freedesktop.DBus.Error.TimedOut"},
		{fields: []Field{VarlinkError("org.varlink.service.InvalidParameter")}, want: "VARLINKERROR=org.varlink.service.InvalidParameter"},
		{fields: []Field{ExitStatus(203)}, want: "EXIT_STATUS=203"},
		{fields: []Field{Watchdog}, want: "WATCHDOG=1"},
		{fields: []Field{WatchdogTrigger}, want: "WATCHDOG=trigger"},
		{fields: []Field{WatchdogUSec(20 * time.Second)}, want: "WATCHDOG_USEC=20000000"},
		{fields: []Field{WatchdogUSec(1)}, want: "WATCHDOG_USEC=1"},
		{fields: []Field{WatchdogUSec(0)}, want: "WATCHDOG_USEC=0"},
		{fields: []Field{WatchdogUSec(1<<63 - 1)}, want: "WATCHDOG_USEC=9223372036854776"},
		{fields: []Field{ExtendTimeout(1500 * time.Nanosecond)}, want: "EXTEND_TIMEOUT_USEC=2"},
		{fields: []Field{NotifyAccess("none")}, want: "NOTIFYACCESS=none"},
		{fields: []Field{NotifyAccess("main")}, want: "NOTIFYACCESS=main"},
		{fields: []Field{NotifyAccess("exec")}, want: "NOTIFYACCESS=exec"},
		{fields: []Field{NotifyAccess("all")}, want: "NOTIFYACCESS=all"},
		{fields: []Field{RestartReset}, want: "RESTART_RESET=1"},
		{fields: []Field{FDStore("a name=1", 5, 6)}, want: "FDSTORE=1\nFDNAME=a name=1", fds: []int{5, 6}},
		{fields: []Field{FDStoreNoPoll("name", 5)}, want: "FDSTORE=1\nFDNAME=name\nFDPOLL=0", fds: []int{5}},
		{fields: []Field{FDStoreRemove("name")}, want: "FDSTOREREMOVE=1\nFDNAME=name"},
		{
			fields: []Field{Ready, MainPID(12), NotifyAccess("all"), FDStore("x", 3), Status("upgraded"), Watchdog},
			want:   "READY=1\nMAINPID=12\nNOTIFYACCESS=all\nFDSTORE=1\nFDNAME=x\nSTATUS=upgraded\nWATCHDOG=1",
			fds:    []int{3},
		},
	} {
		text, fds, err := encode(nil, test.fields)
		if err != nil {
			t.Errorf("%s: %v", test.want, err)
		}
		if string(text) != test.want || !slices.Equal(fds, test.fds) {
			t.Errorf("encoded as %q with %v; want %q with %v", text, fds, test.want, test.fds)
		}
	}
}

func TestReloadingTakesTheTime(t *testing.T) {
	usec := func(f Field) uint64 {
		t.Helper()
		n, err := strconv.ParseUint(f.assignments[1].value, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	first, second := usec(Reloading()), usec(Reloading())
	if first == 0 || second < first {
		t.Errorf("MONOTONIC_USEC = %d, then %d", first, second)
	}
}

func TestInvalid(t *testing.T) {
	for _, test := range []struct {
		name   string
		fields []Field
		reason string
	}{
		{"nothing", nil, "no fields"},
		{"zero field", []Field{{}}, "zero Field"},
		{"newline", []Field{Status("a\nREADY=1")}, `'\n' at byte 1`},
		{"newline at the end", []Field{Status("a\n")}, `'\n' at byte 1`},
		{"NUL", []Field{Status("a\x00b")}, `'\x00' at byte 1`},
		{"status not UTF-8", []Field{Status("a\xff")}, "not UTF-8"},
		{"valid beside invalid", []Field{Ready, Status("a\nb")}, "STATUS="},
		{"main PID 0", []Field{MainPID(0)}, "MAINPID=: 0"},
		{"main PID negative", []Field{MainPIDFDID(-1, 5)}, "MAINPID=: -1"},
		{"pidfd ID 0", []Field{MainPIDFDID(1, 0)}, "MAINPIDFDID=: 0"},
		{"no pidfd", []Field{MainPIDFD(-1)}, "MAINPIDFD=: -1"},
		{"errno", []Field{Errno(4096)}, "ERRNO=: 4096"},
		{"error name injects", []Field{BusError("a.b\nREADY=1")}, "byte 3"},
		{"error name empty", []Field{VarlinkError("")}, "VARLINKERROR=: the name"},
		{"exit status", []Field{ExitStatus(256)}, "EXIT_STATUS=: 256"},
		{"watchdog negative", []Field{WatchdogUSec(-1)}, "negative"},
		{"timeout 0", []Field{ExtendTimeout(0)}, "positive"},
		{"access", []Field{NotifyAccess("everyone")}, `"everyone"`},
		{"access empty", []Field{NotifyAccess("")}, `""`},
		{"FDNAME empty", []Field{FDStore("", 3)}, "0 bytes"},
		{"FDNAME long", []Field{FDStoreRemove(strings.Repeat("a", 256))}, "256 bytes"},
		{"FDNAME colon", []Field{FDStore("a:b", 3)}, `':' at byte 1`},
		{"FDNAME injects", []Field{FDStoreNoPoll("a\nREADY=1", 3)}, `'\n' at byte 1`},
		{"FDNAME not ASCII", []Field{FDStore("é", 3)}, "at byte 0"},
		{"FDNAME DEL", []Field{FDStore("\x7f", 3)}, "at byte 0"},
		{"no descriptor", []Field{FDStore("a")}, "0 descriptors"},
		{"too many descriptors", []Field{FDStore("a", make([]int, 254)...)}, "254 descriptors"},
		{"bad descriptor", []Field{FDStore("a", 3, -1)}, "-1"},
		{"twice", []Field{Status("a"), Ready, Status("b")}, "STATUS= is given twice"},
		{"ping and trigger", []Field{Watchdog, WatchdogTrigger}, "WATCHDOG= is given twice"},
		{"two names", []Field{FDStore("a", 3), FDStoreRemove("b")}, "FDNAME= is given twice"},
		{"two stores", []Field{FDStore("a", 3), FDStore("b", 4)}, "FDSTORE= is given twice"},
		{"two states", []Field{Ready, Stopping}, "STOPPING= beside READY="},
		{"ready and reloading", []Field{Reloading(), Ready}, "READY= beside RELOADING="},
		{"two owners of descriptors", []Field{FDStore("a", 3), MainPIDFD(4)}, "both attach descriptors"},
		{"too long", []Field{Status(strings.Repeat("a", 4090))}, "4097 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			text, fds, err := encode(nil, test.fields)
			if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), test.reason) {
				t.Errorf("error %v; want ErrInvalid that says %q", err, test.reason)
			}
			if text != nil || fds != nil {
				t.Errorf("an error, and %q with %v", text, fds)
			}
		})
	}
}

// The longest of everything is still valid.
func TestLimits(t *testing.T) {
	for _, fields := range [][]Field{
		{Status(strings.Repeat("a", maxDatagram-len("STATUS=")))},
		{FDStore(strings.Repeat("a", maxFDName), make([]int, maxFDs)...)},
		{Ready, Status(OneLine(strings.Repeat("a", 1<<16))), Errno(4095)},
	} {
		if _, _, err := encode(nil, fields); err != nil {
			t.Error(err)
		}
	}
}

// FDStore must not alias a slice that its caller may change before Send.
func TestFDStoreCopies(t *testing.T) {
	fds := []int{3, 4}
	field := FDStore("a", fds...)
	fds[0] = 99
	if !slices.Equal(field.fds, []int{3, 4}) {
		t.Errorf("fds = %v", field.fds)
	}
}

func TestOneLine(t *testing.T) {
	for text, want := range map[string]string{
		"":                             "",
		"plain, with … and é":          "plain, with … and é",
		"exit 1\nREADY=1\n":            "exit 1 READY=1",
		"a\x00b\tc\x7fd\u0085e":        "a b c d e",
		"bad \xff\xfe bytes":           "bad \uFFFD bytes",
		strings.Repeat("a", 1024):      strings.Repeat("a", 1024),
		strings.Repeat("a", 1025):      strings.Repeat("a", 1021) + "…",
		"a" + strings.Repeat("é", 600): "a" + strings.Repeat("é", 510) + "…",
	} {
		if got := OneLine(text); got != want {
			t.Errorf("OneLine(%.40q) = %q; want %q", text, got, want)
		}
	}
}

// decode is the manager's view of a datagram, as systemd splits it.
func decode(text []byte) []assignment {
	var assignments []assignment
	for line := range strings.SplitSeq(string(text), "\n") {
		key, value, _ := strings.Cut(line, "=")
		assignments = append(assignments, assignment{key, value})
	}
	return assignments
}

// Whatever the values, a datagram decodes to the assignments that were meant, no more
// and no others, or there is none.
func FuzzEncode(f *testing.F) {
	f.Add(uint32(1), "serving", "http", "a.b", 1, uint64(1), 3)
	f.Add(uint32(1<<13-1), "a\nREADY=1", "x\nREADY=1", "a\n", -1, uint64(0), -1)
	f.Add(uint32(1<<8), "\x00", "a:b", "é", 4096, uint64(1<<63), 0)
	f.Add(uint32(0), strings.Repeat("a", 5000), strings.Repeat("n", 256), "=", 0, uint64(7), 254)
	f.Fuzz(func(t *testing.T, choice uint32, status, name, errorName string, number int, id uint64, fd int) {
		all := []Field{
			Ready, Stopping, reloadingAt(id), Status(status), MainPID(number), MainPIDFDID(number, id), MainPIDFD(fd),
			Errno(syscall.Errno(id)), BusError(errorName), VarlinkError(errorName), ExitStatus(number), Watchdog,
			WatchdogTrigger, WatchdogUSec(time.Duration(number)), ExtendTimeout(time.Duration(number)),
			NotifyAccess(status), RestartReset, FDStore(name, fd), FDStoreNoPoll(name, fd, fd),
			FDStoreRemove(name), {},
		}
		var fields []Field
		var want []assignment
		var wantFDs []int
		for i, field := range all {
			if choice>>i&1 == 1 {
				fields = append(fields, field)
				want = append(want, field.assignments...)
				wantFDs = append(wantFDs, field.fds...)
			}
		}
		prefix := []byte("kept")
		text, fds, err := encode(prefix, fields)
		if err != nil {
			if text != nil || fds != nil || !errors.Is(err, ErrInvalid) {
				t.Errorf("%v, %q, %v", err, text, fds)
			}
			return
		}
		datagram, ok := bytes.CutPrefix(text, prefix)
		if !ok || len(datagram) > maxDatagram || bytes.IndexByte(datagram, 0) >= 0 {
			t.Errorf("datagram %q", text)
		}
		if got := decode(datagram); !slices.Equal(got, want) {
			t.Errorf("decoded as %q; want %q", got, want)
		}
		if !slices.Equal(fds, wantFDs) {
			t.Errorf("descriptors %v; want %v", fds, wantFDs)
		}
	})
}

// Text that went through OneLine can always be sent beside READY=1.
func FuzzOneLine(f *testing.F) {
	for _, seed := range []string{"", "a\nREADY=1", "\xff", strings.Repeat("é", 600), strings.Repeat("\xff", 2000)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		line := OneLine(text)
		if len(line) > maxOneLine || !utf8.ValidString(line) {
			t.Errorf("%q", line)
		}
		if _, _, err := encode(nil, []Field{Ready, Status(line), Errno(syscall.EIO)}); err != nil {
			t.Error(err)
		}
		if again := OneLine(line); again != line {
			t.Errorf("%q became %q", line, again)
		}
	})
}
