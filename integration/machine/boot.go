package machine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Options changes how a machine boots. The zero value is right for most.
type Options struct {
	// Console gets the machine's console output while it boots and later. nil: the
	// output is only in a BootError.
	Console io.Writer

	// Arguments are further options for systemd-nspawn(1).
	Arguments []string
}

// bootTimeout bounds a boot, which takes less than a second on an idle host.
const bootTimeout = 2 * time.Minute

// Boot starts a machine with that version of systemd and returns once its default
// target is reached. The image is built first if it isn't there; see [Build].
// ctx bounds the boot, not the machine's life.
//
// The machine ends with Close, or with this process.
func Boot(ctx context.Context, v Version, o Options) (*Machine, error) {
	if err := supported("systemd-nspawn", "nsenter"); err != nil {
		return nil, err
	}
	h, err := mountedHierarchies()
	if err != nil {
		return nil, err
	}
	image, err := Build(ctx, v)
	if err != nil {
		return nil, err
	}
	// Remains that cannot be swept stay, and disturb no machine with another name.
	_ = Sweep(ctx)

	home, err := newCgroup(h, v)
	if err != nil {
		return nil, err
	}
	m := &Machine{image: image, name: home.name, home: home, console: &console{also: o.Console}}
	ctx, cancel := context.WithTimeoutCause(ctx, bootTimeout,
		fmt.Errorf("no READY=1 from it in %s", bootTimeout))
	defer cancel()
	if err := m.boot(ctx, o); err != nil {
		// The console first: Close ends the process that writes it.
		failure := &BootError{Name: m.name, Console: m.console.String(), Err: err}
		if err := m.Close(); err != nil {
			failure.Err = errors.Join(failure.Err, err)
		}
		return nil, failure
	}
	return m, nil
}

func (m *Machine) boot(ctx context.Context, o Options) error {
	if err := m.startWatcher(); err != nil {
		return err
	}
	// An abstract address leaves no file behind.
	address := "@" + m.name + "/notify"
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer notify.Close()
	if err := m.startNspawn(address, o); err != nil {
		return err
	}

	// Either the caller gives up, or systemd-nspawn does: both end the wait.
	giveUp := func() { notify.SetReadDeadline(time.Unix(1, 0)) }
	defer context.AfterFunc(ctx, giveUp)()
	waiting := make(chan struct{})
	defer close(waiting)
	go func() {
		select {
		case <-m.exited:
			giveUp()
		case <-waiting:
		}
	}()

	leader, err := awaitReady(notify)
	if err != nil {
		select {
		case <-m.exited:
			return fmt.Errorf("systemd-nspawn ended: %w", m.exitErr)
		default:
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return err
	}
	return m.enter(leader)
}

// startWatcher starts the process that kills the machine when we are gone. It
// lives in the machine's cgroup: whatever ends this process's own cgroup leaves
// it to its work, and it ends with the machine.
func (m *Machine) startWatcher() error {
	leaf, err := m.home.leaf("watcher")
	if err != nil {
		return err
	}
	defer leaf.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	cmd := exec.Command("/bin/sh", "-c", `read -r _; echo 1 >"$0"`, m.home.killFile())
	cmd.Stdin = r
	cmd.SysProcAttr = &syscall.SysProcAttr{
		UseCgroupFD: true,
		CgroupFD:    int(leaf.Fd()),
		Setsid:      true, // a Ctrl-C that ends us must not end it
	}
	if err := cmd.Start(); err != nil {
		w.Close()
		return fmt.Errorf("start its watcher: %w", err)
	}
	m.leash = w
	m.reap.Go(func() { _ = cmd.Wait() })
	return nil
}

// startNspawn starts systemd-nspawn, which reports to the socket at address.
func (m *Machine) startNspawn(address string, o Options) error {
	leaf, err := m.home.leaf("nspawn")
	if err != nil {
		return err
	}
	defer leaf.Close()
	args := []string{
		"--quiet",
		"--directory=" + m.image.Dir,
		"--volatile=overlay", // writes go to a tmpfs, in the machine's own mount namespace
		"--machine=" + m.name,
		"--private-network",
		"--notify-ready=yes",
		"--register=no", // there may be no machined
		"--keep-unit",   // nor a systemd to ask for a scope
		"--settings=no",
		"--link-journal=no",
		"--resolv-conf=off",
		"--timezone=off",
		// Without it PID 1 could not raise limits, as it does on a real host:
		// LimitNOFILE= would silently stop at the limit of our own shell.
		"--capability=CAP_SYS_RESOURCE",
		"--console=read-only",
	}
	args = append(args, o.Arguments...)
	args = append(args, "--boot", "--", "systemd.show_status=yes")

	cmd := exec.Command("systemd-nspawn", args...)
	cmd.Env = append(os.Environ(),
		"NOTIFY_SOCKET="+address,
		"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1", // cgroup2 in the machine, whatever the host's init uses
		"SYSTEMD_NSPAWN_LOCK=0",              // many machines share the tree, none writes to it
	)
	cmd.Stdout, cmd.Stderr = m.console, m.console
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Unshareflags: unix.CLONE_NEWNS, // no mount of it is ever seen on the host
		UseCgroupFD:  true,
		CgroupFD:     int(leaf.Fd()),
		Setsid:       true, // it would take a Ctrl-C for us as its own
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start systemd-nspawn: %w", err)
	}
	exited := make(chan struct{})
	m.exited = exited
	m.reap.Go(func() {
		if m.exitErr = cmd.Wait(); m.exitErr == nil {
			m.exitErr = errors.New("the machine was powered off")
		}
		close(exited)
	})
	return nil
}

// awaitReady reads the datagrams of systemd-nspawn until the one that says that
// the machine is up, and returns the PID of the machine's PID 1 on the host.
func awaitReady(notify *net.UnixConn) (leader int, err error) {
	buf := make([]byte, 4096)
	for {
		n, err := notify.Read(buf)
		if err != nil {
			return 0, err
		}
		ready := false
		for line := range strings.Lines(string(buf[:n])) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			switch key {
			case "X_NSPAWN_LEADER_PID":
				if leader, err = strconv.Atoi(value); err != nil {
					return 0, fmt.Errorf("systemd-nspawn says X_NSPAWN_LEADER_PID=%q", value)
				}
			case "READY":
				ready = value == "1"
			}
		}
		if !ready {
			continue
		}
		if leader == 0 {
			return 0, errors.New("systemd-nspawn did not say which process is PID 1 of the machine")
		}
		return leader, nil
	}
}
