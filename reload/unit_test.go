package reload

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/instar-project/instar/internal/testkit"
	"github.com/instar-project/instar/notify/notifytest"

	"golang.org/x/sys/unix"
)

// unit is a service of real processes, with a stand-in for systemd that records
// their messages and is told which of them is main.
type unit struct {
	t       *testing.T
	manager *notifytest.Manager
	path    string // argv[0], a symlink
	script  string // the file that says how a process behaves
	tcp     string // addresses
	udp     string

	mu      sync.Mutex
	log     []map[string]any
	pids    []int // of the generations, in the order of their start
	exits   map[int]unix.WaitStatus
	logDone chan struct{}
}

// start starts the first generation and waits until it serves.
func start(t *testing.T, environ ...string) *unit {
	t.Helper()
	return startAs(t, "serve", environ...)
}

// startAs is start with a behaviour of the first generation, and of the next.
func startAs(t *testing.T, behaviour string, environ ...string) *unit {
	t.Helper()
	testkit.CheckLeaks(t)
	dir := t.TempDir()
	u := &unit{
		t:       t,
		manager: notifytest.Start(t),
		path:    filepath.Join(dir, "service"),
		script:  filepath.Join(dir, "behaviour"),
		exits:   make(map[int]unix.WaitStatus),
		logDone: make(chan struct{}),
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	u.install(self)
	u.behave(behaviour)

	log, stderr, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stderr.Close()
	go u.readLog(log)

	sockets := u.listen()
	// The descriptors are inherited as systemd passes them; the number after
	// the service's own path is for a successor that is no service: see sleep(1).
	first := exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`, u.path, "600")
	first.Stderr = stderr
	first.ExtraFiles = sockets
	first.Env = append(os.Environ(),
		"GORACE=atexit_sleep_ms=0", // a race detector's second of patience at each exit
		"LISTEN_FDS=2", "LISTEN_FDNAMES=echo:udp",
		"NOTIFY_SOCKET="+u.manager.Address(), behaviourVariable+"="+u.script)
	first.Env = append(first.Env, environ...)
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	u.pids = []int{first.Process.Pid}
	first.Process.Release() // reap waits for it as for the others
	t.Cleanup(u.cleanUp)
	for _, s := range sockets {
		s.Close()
	}
	u.manager.Wait(notifytest.Has("READY=1"))
	return u
}

// listen makes the sockets, which are the caller's to close.
func (u *unit) listen() []*os.File {
	u.t.Helper()
	ln, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		u.t.Fatal(err)
	}
	defer ln.Close()
	pc, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		u.t.Fatal(err)
	}
	defer pc.Close()
	u.tcp, u.udp = ln.Addr().String(), pc.LocalAddr().String()
	stream, err := ln.File()
	if err != nil {
		u.t.Fatal(err)
	}
	packet, err := pc.File()
	if err != nil {
		u.t.Fatal(err)
	}
	return []*os.File{stream, packet}
}

// cleanUp leaves no process behind.
func (u *unit) cleanUp() {
	for _, pid := range u.generations() {
		if _, gone := u.exits[pid]; !gone {
			unix.Kill(pid, unix.SIGKILL)
		}
	}
	for _, pid := range u.generations() {
		u.reap(pid)
	}
	<-u.logDone
	if u.t.Failed() {
		for _, line := range u.log {
			u.t.Log(line)
		}
		for _, line := range u.transcript() {
			u.t.Log(line)
		}
	}
}

// readLog keeps the log lines of the processes, and learns their PIDs from them.
func (u *unit) readLog(pipe *os.File) {
	defer close(u.logDone)
	defer pipe.Close()
	for lines := bufio.NewScanner(pipe); lines.Scan(); {
		line := make(map[string]any)
		if json.Unmarshal(lines.Bytes(), &line) != nil {
			line["msg"] = lines.Text()
		}
		u.mu.Lock()
		u.log = append(u.log, line)
		if pid, ok := line["successor"].(float64); ok && !slices.Contains(u.pids, int(pid)) {
			u.pids = append(u.pids, int(pid))
		}
		u.mu.Unlock()
	}
}

// logged reports whether a message ends in that, and loggings how many do.
func (u *unit) logged(end string) bool { return u.loggings(end) > 0 }

func (u *unit) loggings(end string) (n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, line := range u.log {
		if msg, _ := line["msg"].(string); strings.HasSuffix(msg, end) {
			n++
		}
	}
	return n
}

func (u *unit) generations() []int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.pids)
}

// pid is the process that was started as nth, counted from 1.
func (u *unit) pid(n int) int {
	u.t.Helper()
	testkit.Eventually(u.t, fmt.Sprintf("process %d is started", n), func() bool { return len(u.generations()) >= n })
	return u.generations()[n-1]
}

// install makes target the program that the next reload starts.
func (u *unit) install(target string) {
	u.t.Helper()
	next := u.path + ".next"
	if err := errors.Join(os.Symlink(target, next), os.Rename(next, u.path)); err != nil {
		u.t.Fatal(err)
	}
}

// behave sets the behaviour of processes started from now on; see behave of the
// helper.
func (u *unit) behave(how string) {
	u.t.Helper()
	if err := os.WriteFile(u.script, []byte(how), 0o666); err != nil {
		u.t.Fatal(err)
	}
}

func (u *unit) signal(pid int, signal unix.Signal) {
	u.t.Helper()
	if err := unix.Kill(pid, signal); err != nil {
		u.t.Fatalf("kill(%d, %v): %v", pid, signal, err)
	}
}

// reload asks process n for a reload as systemd does, and waits until it has begun.
func (u *unit) reload(n int) {
	u.t.Helper()
	before := monotonic(u.t)
	u.signal(u.pid(n), unix.SIGHUP)
	m := u.manager.Wait(notifytest.Has("RELOADING=1"))
	text, _ := m.Get("MONOTONIC_USEC")
	usec, err := strconv.ParseInt(text, 10, 64)
	if err != nil || usec < before || usec > monotonic(u.t) {
		u.t.Errorf("MONOTONIC_USEC=%s is not between the signal and now", text)
	}
}

// upgrade is a reload of process n that succeeds; it returns the successor's number.
func (u *unit) upgrade(n int) int {
	u.t.Helper()
	u.reload(n)
	m := u.manager.Wait(notifytest.Has("NOTIFYACCESS=all"))
	text, _ := m.Get("MAINPID")
	pid, _ := strconv.Atoi(text)
	testkit.Eventually(u.t, "the new main process is known", func() bool { return slices.Contains(u.generations(), pid) })
	return slices.Index(u.generations(), pid) + 1
}

func monotonic(t *testing.T) int64 {
	t.Helper()
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		t.Fatal(err)
	}
	return now.Nano() / 1000
}

// exit waits for the end of process n and returns its exit status, -1 after a
// signal. Its predecessor has to be gone, or to be the test.
func (u *unit) exit(n int) int {
	u.t.Helper()
	pid := u.pid(n)
	u.gone(n)
	u.reap(pid)
	return u.exits[pid].ExitStatus()
}

// reap is wait(2), once, for children of this process.
func (u *unit) reap(pid int) {
	if _, done := u.exits[pid]; done {
		return
	}
	var status unix.WaitStatus
	if wpid, err := unix.Wait4(pid, &status, 0, nil); err == nil && wpid == pid {
		u.exits[pid] = status
	}
}

// gone waits for the end of process n, whichever process is its parent.
func (u *unit) gone(n int) {
	u.t.Helper()
	fd, err := unix.PidfdOpen(u.pid(n), 0)
	if errors.Is(err, unix.ESRCH) {
		return
	}
	if err != nil {
		u.t.Errorf("pidfd_open: %v", err)
		return
	}
	defer unix.Close(fd)
	poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for {
		ready, err := unix.Poll(poll, 10_000)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if ready != 1 {
			unix.Kill(u.pid(n), unix.SIGQUIT) // its log shows where it stands
			u.t.Errorf("process %d is still there (%v)", n, err)
		}
		return
	}
}

// client is a connection to the generation that accepts.
type client struct {
	net.Conn
	t       *testing.T
	answers *bufio.Reader
}

func (u *unit) dial() *client {
	u.t.Helper()
	c, err := net.Dial("tcp", u.tcp)
	if err != nil {
		u.t.Fatal(err)
	}
	u.t.Cleanup(func() { c.Close() })
	return &client{c, u.t, bufio.NewReader(c)}
}

func (c *client) ask(question string) string {
	c.t.Helper()
	var answer string
	testkit.Within(c.t, "an answer", func() {
		if _, err := fmt.Fprintln(c, question); err != nil {
			c.t.Errorf("ask: %v", err)
		}
		text, err := c.answers.ReadString('\n')
		if err != nil {
			c.t.Errorf("answer: %v", err)
		}
		answer = strings.TrimSpace(text)
	})
	return answer
}

// size counts the resources of a process. The runtime opens a file now and then, so
// it may shrink by itself.
type size struct{ goroutines, descriptors int }

func (s size) within(limit size) bool {
	return s.goroutines <= limit.goroutines && s.descriptors <= limit.descriptors
}

func (c *client) askSize() size {
	c.t.Helper()
	var s size
	if answer := c.ask("what"); !c.t.Failed() {
		if _, err := fmt.Sscan(answer, &s.goroutines, &s.descriptors); err != nil {
			c.t.Errorf("%q: %v", answer, err)
		}
	}
	return s
}

// who asks for the generation and its phase, past the moment of the takeover:
// the successor answers before its predecessor is through with it.
func (c *client) who() string {
	c.t.Helper()
	for {
		if got := c.ask("who"); !strings.HasSuffix(got, " taking over") || c.t.Failed() {
			return got
		}
	}
}

func (c *client) wantAnswer(want string) {
	c.t.Helper()
	if got := c.who(); got != want {
		c.t.Errorf("generation %s answers, want %s", got, want)
	}
}

func (c *client) wantEnd() {
	c.t.Helper()
	testkit.Within(c.t, "the end of a connection", func() {
		if _, err := c.Read(make([]byte, 1)); err != io.EOF {
			c.t.Errorf("read: %v, want %v", err, io.EOF)
		}
	})
}

// wantDatagrams asks over UDP for the generation that serves.
func (u *unit) wantDatagrams(want string) {
	u.t.Helper()
	c, err := net.Dial("udp", u.udp)
	if err != nil {
		u.t.Fatal(err)
	}
	defer c.Close()
	testkit.Within(u.t, "an answer over UDP", func() {
		if _, err := c.Write([]byte("who")); err != nil {
			u.t.Error(err)
		}
		buf := make([]byte, 16)
		if n, err := c.Read(buf); err != nil || string(buf[:n]) != want {
			u.t.Errorf("generation %s answers over UDP (%v), want %s", buf[:n], err, want)
		}
	})
}

var (
	pidPattern       = regexp.MustCompile(`(PID[ =])(\d+)`)
	usecPattern      = regexp.MustCompile(`MONOTONIC_USEC=\d+`)
	standInPattern   = regexp.MustCompile(`^NOTIFYACCESS=all \| MAINPID=PID \d+$`)
	extensionPattern = regexp.MustCompile(`EXTEND_TIMEOUT_USEC=\d+( \| )?`)
)

// transcript has all messages to systemd with their senders, by process numbers
// instead of PIDs.
func (u *unit) transcript() []string {
	number := func(pid int) string {
		if i := slices.Index(u.generations(), pid); i >= 0 {
			return fmt.Sprint("#", i+1)
		}
		return fmt.Sprint("PID ", pid)
	}
	var all []string
	for _, m := range u.manager.Messages() {
		text := strings.ReplaceAll(m.Text, "\n", " | ")
		text = extensionPattern.ReplaceAllString(text, "") // how long it may take is no state
		text = usecPattern.ReplaceAllString(text, "MONOTONIC_USEC=…")
		text = pidPattern.ReplaceAllStringFunc(text, func(s string) string {
			pid, _ := strconv.Atoi(s[4:])
			return s[:4] + number(pid)
		})
		if standInPattern.MatchString(text) {
			continue // settling names it for a moment
		}
		who := number(m.PID) + ": "
		at := len(all)
		if text == "BARRIER=1" {
			// It belongs to its sender's earlier message; others go on meanwhile.
			for at > 0 && !strings.HasPrefix(all[at-1], who) {
				at--
			}
			if at == 0 || !strings.Contains(all[at-1], "NOTIFYACCESS=all") {
				continue // the stand-in's, which may come late
			}
		}
		all = slices.Insert(all, at, who+text)
	}
	return all
}

// wantSaid compares all that was said so far.
func (u *unit) wantSaid(want ...string) {
	u.t.Helper()
	if got := u.transcript(); !slices.Equal(got, want) {
		u.t.Errorf("systemd was told\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// The messages of each generation, by its process number.
func saysReady(n int) string {
	return fmt.Sprintf("#%d: READY=1 | STATUS=generation %d (test) serving | ERRNO=0", n, n)
}

func saysReloading(process, generation int) string {
	return fmt.Sprintf("#%d: RELOADING=1 | MONOTONIC_USEC=… | STATUS=generation %d (test) serving; its successor initialises", process, generation)
}

func saysTakeover(process, successor, generation int) string {
	return fmt.Sprintf("#%d: NOTIFYACCESS=all | MAINPID=#%d | STATUS=generation %d (test) serving | ERRNO=0 | WATCHDOG=1", process, successor, generation)
}

func saysReadyFirst(process int) string {
	return fmt.Sprintf("#%d: MAINPID=#%d | READY=1", process, process)
}

func saysMainAgain(process int) string {
	return fmt.Sprintf("#%d: MAINPID=#%d | RELOADING=1 | MONOTONIC_USEC=…", process, process)
}

func saysBarrier(process int) string { return fmt.Sprintf("#%d: BARRIER=1", process) }
func saysSettled(process int) string {
	return fmt.Sprintf("#%d: MAINPID=#%d | NOTIFYACCESS=main", process, process)
}

func saysFailed(why string, errno int) string {
	return fmt.Sprintf("#1: READY=1 | STATUS=upgrade failed: %s; generation 1 (test) serves on | ERRNO=%d", why, errno)
}

func saysStopping(process, generation int) string {
	return fmt.Sprintf("#%d: STOPPING=1 | STATUS=generation %d (test) stopping", process, generation)
}
