package standin

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// roleVariable makes the test binary a process that a test needs beside its own.
const roleVariable = "STANDIN_TEST_ROLE"

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		if err := play(role); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func play(role string) error {
	switch role {
	case "parent": // prints the PID of its stand-in, and dies with its standard input
		p, err := Start()
		if err != nil {
			return err
		}
		fmt.Println(p.PID())
		_, err = io.Copy(io.Discard, os.Stdin)
		return err
	case "full": // has no descriptor left
		time.Sleep(time.Nanosecond) // opens the runtime's poller
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{}); err != nil {
			return err
		}
		if _, err := os.Open("/dev/null"); !errors.Is(err, unix.EMFILE) {
			return fmt.Errorf("a descriptor is free: %v", err)
		}
		p, err := Start()
		if err != nil {
			return err
		}
		return p.End()
	}
	return fmt.Errorf("no such role: %s", role)
}

func as(t *testing.T, role string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), roleVariable+"="+role, "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	return cmd
}

func start(t *testing.T) *Process {
	t.Helper()
	p, err := Start()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func send(t *testing.T, p *Process, signals ...unix.Signal) {
	t.Helper()
	for _, s := range signals {
		if err := unix.Kill(p.PID(), s); err != nil {
			t.Fatal(err)
		}
	}
}

func TestStandInPassesOn(t *testing.T) {
	signal.Ignore(unix.SIGUSR1) // which the stand-in inherits
	p := start(t)
	asked := make(chan os.Signal, 8)
	defer signal.Stop(asked)
	for _, s := range []unix.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGABRT, unix.SIGUSR1, unix.SIGTERM, unix.SIGWINCH, unix.Signal(40)} {
		signal.Notify(asked, s)
		send(t, p, s)
		if got := <-asked; got != s {
			t.Errorf("%v was passed on as %v", s, got)
		}
	}
	if err := p.End(); err != nil {
		t.Error(err)
	}
}

// A stand-in that is told to end while it is busy, or has no processor, first passes
// on the pending signals of systemd.
func TestStandInPassesOnWhatIsPending(t *testing.T) {
	asked := make(chan os.Signal, 2)
	signal.Notify(asked, unix.SIGHUP, unix.SIGTERM)
	defer signal.Stop(asked)
	p := start(t)
	send(t, p, unix.SIGSTOP, end, unix.SIGTERM, unix.SIGHUP, unix.SIGCONT)
	if err := p.End(); err != nil {
		t.Error(err)
	}
	for range 2 {
		<-asked
	}
}

func TestSeen(t *testing.T) {
	p := start(t)
	if !Seen(0) {
		t.Error("a stand-in that lives is not seen")
	}
	if err := p.End(); err != nil {
		t.Error(err)
	}
	if !Seen(time.Hour) {
		t.Error("a stand-in that has just ended is not seen")
	}
	if Seen(-1) {
		t.Error("it is seen for ever")
	}
}

func TestStandInDiesWithItsParent(t *testing.T) {
	// Its new parent is this process, which sees the end of it.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	defer unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
	cmd := as(t, "parent")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 16)
	n, _ := out.Read(line)
	pid, err := strconv.Atoi(strings.TrimSpace(string(line[:n])))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	var status unix.WaitStatus
	if _, err := unix.Wait4(pid, &status, unix.WALL, nil); err != nil || status.Signal() != unix.SIGKILL {
		t.Errorf("the stand-in has ended with status %#x, %v", status, err)
	}
}

func TestStandInNeedsNoDescriptor(t *testing.T) {
	if err := as(t, "full").Run(); err != nil {
		t.Error(err)
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	for errno, want := range map[error]string{
		unix.EAGAIN: "TasksMax=",
		unix.ENOMEM: "MemoryMax=",
		unix.EPERM:  "SystemCallFilter=",
	} {
		if err := advise(os.NewSyscallError("clone", errno)); !errors.Is(err, errno) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %s", errno, err, want)
		}
	}
}

// The end of a pipe or a line does not wait for the stand-in.
func TestStandInHoldsNothingOpen(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p := start(t)
	w.Close()
	if _, err := r.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("read: %v", err)
	}
	if err := p.End(); err != nil {
		t.Error(err)
	}
}

// The runtime goes on as if there were no other process: it collects, starts threads,
// other processes and stand-ins, grows stacks.
func TestStandInBesideALivelyProgram(t *testing.T) {
	heard := make(chan os.Signal, 1)
	signal.Notify(heard, unix.SIGCHLD)
	defer signal.Stop(heard)
	quit := make(chan bool)
	for range 4 {
		go func() {
			for ballast := make(map[int][]byte); ; {
				select {
				case <-quit:
					return
				default:
					ballast[deep(500)%64] = make([]byte, 1<<12)
				}
			}
		}()
	}
	defer close(quit)
	var all []*Process
	for range 50 {
		all = append(all, start(t))
		runtime.GC()
	}
	for _, p := range all {
		if err := p.End(); err != nil {
			t.Error(err)
		}
	}
	select {
	case <-heard:
		t.Error("the application hears of the end of a stand-in")
	default:
	}
}

func deep(n int) int {
	if n == 0 {
		return int(time.Now().UnixNano())
	}
	return deep(n-1) + 1
}

// There is no scheduler in it, no collector, nothing of the application's.
func TestStandInIsOneThread(t *testing.T) {
	p := start(t)
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", p.PID()))
	if err != nil || len(tasks) != 1 {
		t.Errorf("it has %d threads, %v", len(tasks), err)
	}
	if err := p.End(); err != nil {
		t.Error(err)
	}
}

func TestEndOfAStandInThatHasEnded(t *testing.T) {
	p := start(t)
	send(t, p, unix.SIGKILL)
	<-p.ended
	if err := p.End(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("End: %v", err)
	}
}

// A larger heap costs nothing, but for the copy that is made where there is no assembly.
func BenchmarkStart(b *testing.B) {
	for _, size := range []int{0, 1 << 30} {
		b.Run(fmt.Sprint(size>>20, "MiB"), func(b *testing.B) {
			heap := make([]byte, size)
			for i := 0; i < size; i += os.Getpagesize() {
				heap[i] = 1
			}
			for b.Loop() {
				p, err := Start()
				if err != nil {
					b.Fatal(err)
				}
				if err := p.End(); err != nil {
					b.Fatal(err)
				}
			}
			runtime.KeepAlive(heap)
		})
	}
}
