package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The successor has stdio and the handover socket open at exec, and nothing
// else. Seen from outside, on a successor that opens nothing of its own.
func TestSuccessorsDescriptors(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.release("web", "integration/faulty", "version=v1")
		s.install("web", "ExecStart=", "ExecStart=/opt/web/web 1000")
		s.ask("/")
		predecessor := s.mainPID("web")
		_, err := s.run("cp", "--remove-destination", "/bin/sleep", s.binary("web"))
		s.must(err)

		reloaded := make(chan error)
		go func() { reloaded <- s.manager.Reload(s.ctx, "web.service") }()
		var successor int
		s.eventually("the successor is started", func() bool {
			successor = child(predecessor)
			environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", successor))
			return err == nil && strings.Contains(string(environ), "INSTAR_HANDOVER_FD=3")
		})
		// The dynamic linker has something more open for a moment.
		s.eventually("the successor has its first descriptors open", func() bool {
			var open []string
			for _, link := range glob(fmt.Sprintf("/proc/%d/fd/*", successor)) {
				open = append(open, filepath.Base(link))
			}
			slices.Sort(open)
			return slices.Equal(open, []string{"0", "1", "2", "3"})
		})
		if target, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/3", successor)); err != nil || !strings.HasPrefix(target, "socket:") {
			t.Errorf("descriptor 3 is %s, %v", target, err)
		}
		environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", successor))
		s.must(err)
		for _, v := range strings.Split(string(environ), "\x00") {
			if strings.HasPrefix(v, "LISTEN_") || strings.HasPrefix(v, "WATCHDOG_PID=") || strings.HasPrefix(v, "SYSTEMD_EXEC_PID=") {
				t.Errorf("the successor has inherited %s", v)
			}
		}
		s.must(<-reloaded)
		if a := s.ask("/"); a.generation != 1 {
			t.Errorf("afterwards it answers as %+v", a)
		}
	})
}

func glob(pattern string) []string {
	found, _ := filepath.Glob(pattern)
	return found
}

// child is the PID of a process's only child, or 0.
func child(pid int) int {
	for _, tasks := range glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) {
		var c int
		if text, err := os.ReadFile(tasks); err == nil {
			if n, _ := fmt.Sscan(string(text), &c); n == 1 {
				return c
			}
		}
	}
	return 0
}

// 100 reloads in a row leave nothing behind.
func TestHundredReloads(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.release("web", "integration/faulty", "version=v1")
		s.install("web")
		s.ask("/")
		settled := func() (descriptors, threads int) {
			s.eventually("one process is left, and no connection", func() bool {
				open := s.sockets()
				return s.processes("web") == 1 && !strings.Contains(open, "ESTAB") && !strings.Contains(open, "CLOSE-WAIT")
			})
			pid := s.mainPID("web")
			return len(glob(fmt.Sprintf("/proc/%d/fd/*", pid))), len(glob(fmt.Sprintf("/proc/%d/task/*", pid)))
		}
		s.reload("web") // the first successor is the measure for the later ones
		s.ask("/")
		descriptors, threads := settled()
		for range 99 {
			s.reload("web")
		}
		if a := s.ask("/"); a.generation != 101 {
			t.Errorf("after 100 reloads it answers as %+v", a)
		}
		d, th := settled()
		if d != descriptors {
			t.Errorf("%d descriptors after 100 reloads, %d after the first", d, descriptors)
		}
		// The runtime starts threads as it needs them; a leak would be one for each reload.
		if th > threads+10 {
			t.Errorf("%d threads after 100 reloads, %d after the first", th, threads)
		}
		if out, err := s.run("ps", "-eo", "stat,comm"); err != nil || strings.Contains(out, "Z") {
			t.Errorf("zombies are left, or %v:\n%s", err, out)
		}
		// Failed upgrades leave nothing either, in a process that stays.
		s.release("web", "integration/faulty", "version=bad", "fault=crash")
		s.reload("web")
		pid := s.mainPID("web")
		descriptors, threads = settled()
		before := s.ask("/").goroutines
		for range 30 {
			s.reload("web")
		}
		d, th = settled()
		s.eventually("no goroutine is left of 30 failed upgrades", func() bool { return s.ask("/").goroutines <= before })
		if now := s.mainPID("web"); now != pid || d != descriptors || th > threads+10 {
			t.Errorf("after 30 failed upgrades: PID %d, %d descriptors, %d threads; before: %d, %d, %d", now, d, th, pid, descriptors, threads)
		}
	})
}
