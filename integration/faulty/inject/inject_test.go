package inject

import (
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The test binary is also the service that faults happen to.
func TestMain(m *testing.M) {
	if dir := os.Getenv("INJECT_TEST_DIR"); dir != "" {
		in, err := New(dir)
		if err != nil {
			panic(err)
		}
		if os.Getenv("INJECT_TEST_CLAIM") != "" {
			claimForGood(in)
		}
		serve(in)
		os.Exit(7)
	}
	os.Exit(m.Run())
}

// serve logs as package reload does.
func serve(in *Injector) {
	log := slog.New(in.Handler(slog.DiscardHandler))
	in.Begin(4)
	log.Debug("action", "verb", "spawn")
	log.Debug("phase", "from", "preparing", "to", "storing")
}

func ordered(t *testing.T, o *Order) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := Place(dir, o); err != nil {
		t.Fatal(err)
	}
	return dir
}

func traced(t *testing.T, dir string) []Event {
	t.Helper()
	events, err := ReadTrace(dir)
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func steps(events []Event) (all []Step) {
	for _, e := range events {
		if e.Step != nil {
			all = append(all, *e.Step)
		}
	}
	return all
}

// A process ends at the step that is ordered, and at no other.
func TestEnds(t *testing.T) {
	all := []Step{{Kind: Phase, Name: "initialising"}, {Kind: Verb, Name: "spawn"}, {Kind: Phase, Name: "storing"}}
	for _, c := range []struct {
		fault  Fault
		signal syscall.Signal
		status int
	}{
		{Exit0, 0, 0}, {Exit1, 0, 1}, {Panic, 0, 2}, {KillPredecessor, syscall.SIGKILL, -1},
	} {
		for i, step := range all {
			step.Side = Predecessor
			dir := ordered(t, &Order{Step: step, Generation: 4, Fault: c.fault})
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), "INJECT_TEST_DIR="+dir)
			_ = cmd.Run()
			ws := cmd.ProcessState.Sys().(syscall.WaitStatus)
			if ws.Signaled() && ws.Signal() != c.signal || !ws.Signaled() && ws.ExitStatus() != c.status {
				t.Errorf("%s at %v: %v", c.fault, step, cmd.ProcessState)
			}
			events := traced(t, dir)
			if got := steps(events); !slices.Equal(got, all[:i+1]) {
				t.Errorf("%s at %v: the steps are %v", c.fault, step, got)
			}
			if last := events[len(events)-1]; last.Fault != c.fault || !slices.Equal(last.Victims, []int{cmd.Process.Pid}) {
				t.Errorf("%s at %v: the trace ends with %+v", c.fault, step, last)
			}
		}
	}
}

// An order for another generation stays.
func TestAnotherGeneration(t *testing.T) {
	dir := ordered(t, &Order{Step: Step{Side: Predecessor, Kind: Verb, Name: "spawn"}, Generation: 5, Fault: Exit1})
	in, err := New(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer in.trace.Close()
	serve(in)
	if _, err := os.Stat(filepath.Join(dir, orderFile)); err != nil {
		t.Error(err)
	}
	if err := Withdraw(dir); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, orderFile)); !os.IsNotExist(err) {
		t.Error(err)
	}
}

// A process is stopped, and stays so although somebody lets it go on at once.
func TestStop(t *testing.T) {
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cmd.Process.Kill(); cmd.Wait() }()
	time.AfterFunc(stopFor/4, func() { _ = cmd.Process.Signal(syscall.SIGCONT) })
	stop(cmd.Process.Pid)
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(cmd.Process.Pid) + "/stat")
	if err != nil {
		t.Fatal(err)
	}
	if _, state, _ := strings.Cut(string(stat), ") "); !strings.HasPrefix(state, "T") {
		t.Errorf("it is not stopped: %s", stat)
	}
}

func TestFullDisk(t *testing.T) {
	dir := ordered(t, &Order{Step: Step{Side: Predecessor, Kind: Verb, Name: "spawn"}, Generation: 4, Fault: DiskFull})
	in, err := New(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer in.trace.Close()
	if err := in.Full(); err != nil {
		t.Error(err)
	}
	serve(in)
	for range 2 {
		if err := in.Full(); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%v", err)
		}
	}
	if err := Withdraw(dir); err != nil {
		t.Fatal(err)
	}
	if err := in.Full(); err != nil {
		t.Errorf("withdrawn: %v", err)
	}
}

// Sending on a datagram socket fails afterwards; other sockets are left alone.
func TestCloseNotify(t *testing.T) {
	if os.Getenv("INJECT_TEST_CLOSE") == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestCloseNotify$", "-test.v")
		cmd.Env = append(os.Environ(), "INJECT_TEST_CLOSE=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	datagram, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	closeDatagramSockets()
	if _, err := unix.SendmsgN(datagram[0], []byte("READY=1"), nil, nil, 0); !errors.Is(err, unix.ENOTSOCK) {
		t.Errorf("a datagram: %v", err)
	}
	if _, err := unix.Write(stream[0], []byte("x")); err != nil {
		t.Errorf("a stream: %v", err)
	}
}

// claimForGood is a process that accepts and writes until it is killed, and says so.
func claimForGood(in *Injector) {
	in.Writes(true)
	in.reach(Step{Kind: Verb, Name: "open gates"})
	os.Stdout.WriteString("claimed\n")
	select {}
}

// Two processes that claim the same are noticed; a dead one does not count.
func TestClash(t *testing.T) {
	dir := ordered(t, nil)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "INJECT_TEST_DIR="+dir, "INJECT_TEST_CLAIM=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	in, err := New(dir)
	if err != nil {
		t.Fatal(err)
	}
	clashes := func() (all []Clash) {
		for _, e := range traced(t, dir) {
			if e.Clash != "" && e.With == cmd.Process.Pid {
				all = append(all, e.Clash)
			}
		}
		return all
	}
	in.Writes(true)
	if got := clashes(); !slices.Equal(got, []Clash{Writers}) {
		t.Errorf("a second writer: %q", got)
	}
	in.reach(Step{Kind: Verb, Name: "open gates"})
	if got := clashes(); !slices.Equal(got, []Clash{Writers, Acceptors}) {
		t.Errorf("a second that accepts: %q", got)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for lives(cmd.Process.Pid) {
		time.Sleep(time.Millisecond)
	}
	in.Writes(true) // a zombie is no writer, and was not waited for yet
	in.reach(Step{Kind: Verb, Name: "open gates"})
	if got := clashes(); len(got) != 2 {
		t.Errorf("the other one is dead: %q", got)
	}
	_ = cmd.Wait()
}

// The gates are open from one verb until after the one that closes them.
func TestAccepts(t *testing.T) {
	in, err := New(ordered(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		verb string
		want bool
	}{{"adopt", false}, {"open gates", true}, {"say ready", true}, {"close gates", true}, {"store", false}} {
		in.reach(Step{Kind: Verb, Name: c.verb})
		if in.accepts.held != c.want {
			t.Errorf("at %q the gates are held for open: %v", c.verb, in.accepts.held)
		}
	}
}

// Sends of descriptors fail, others do not, and for a while only.
func TestCrowd(t *testing.T) {
	if os.Geteuid() == 0 {
		// Root may have as many on their way as it likes.
		cmd := exec.Command("/proc/self/exe", "-test.run=^TestCrowd$", "-test.v")
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestCrowd") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	crowd(time.Hour)
	if err := unix.Sendmsg(ends[0], []byte("x"), unix.UnixRights(0), nil, 0); !errors.Is(err, unix.ETOOMANYREFS) {
		t.Errorf("a descriptor: %v", err)
	}
	if err := unix.Sendmsg(ends[0], []byte("x"), nil, nil, 0); err != nil {
		t.Errorf("none: %v", err)
	}
}

func TestHang(t *testing.T) {
	in, err := New(ordered(t, &Order{Step: Step{Side: Predecessor, Kind: Verb, Name: "spawn"}, Generation: 4, Fault: HangPark}))
	if err != nil {
		t.Fatal(err)
	}
	serve(in)
	in.Hang(HangAdopt) // was not ordered
	returned := make(chan struct{})
	go func() {
		in.Hang(HangPark)
		close(returned)
	}()
	select {
	case <-returned:
		t.Error("it does not hang")
	case <-time.After(10 * time.Millisecond):
	}
}

func TestVictims(t *testing.T) {
	for _, c := range []struct {
		fault Fault
		side  Side
		peer  int
		want  []int
	}{
		{KillPredecessor, Predecessor, 2, []int{1}},
		{KillPredecessor, Successor, 2, []int{2}},
		{KillPredecessor, Successor, 0, nil},
		{KillSuccessor, Predecessor, 0, nil},
		{StopSuccessor, Successor, 0, []int{1}},
		{KillBoth, Predecessor, 2, []int{2, 1}},
		{KillBoth, Predecessor, 0, []int{1}},
		{Exit0, Successor, 2, []int{1}},
	} {
		if got := c.fault.Victims(c.side, 1, c.peer); !slices.Equal(got, c.want) {
			t.Errorf("%s at a step of the %s, peer %d: %v, want %v", c.fault, c.side, c.peer, got, c.want)
		}
	}
}

// A line that is just being written is not read.
func TestReadTraceUnfinished(t *testing.T) {
	dir := t.TempDir()
	text := `{"pid":1,"client":"a"}` + "\n" + `{"pid":1,"cl`
	if err := os.WriteFile(filepath.Join(dir, traceFile), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if events := traced(t, dir); len(events) != 1 || events[0].Client != "a" {
		t.Errorf("%+v", events)
	}
	if events := traced(t, filepath.Join(dir, "none")); len(events) != 0 {
		t.Errorf("%+v", events)
	}
}

func FuzzReadTrace(f *testing.F) {
	f.Add([]byte(`{"pid":1,"step":{"kind":"verb","name":"spawn"},"peer":2}` + "\n"))
	f.Add([]byte("\n{"))
	f.Fuzz(func(t *testing.T, text []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, traceFile), text, 0o644); err != nil {
			t.Fatal(err)
		}
		_, _ = ReadTrace(dir)
	})
}
