package machine

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
)

// Host is where a manager's services run: a machine, or this host. A test that uses
// only these methods runs on both.
type Host interface {
	// String names it in errors and reports.
	String() string
	// Command returns a command that runs there: as root in a machine, as
	// ourselves on this host.
	Command(ctx context.Context, name string, args ...string) *exec.Cmd
	// Dial connects to a socket there.
	Dial(ctx context.Context, network, address string) (net.Conn, error)
	// WriteFile makes or replaces a file there, by rename.
	WriteFile(path string, data []byte, mode fs.FileMode) error
	// CopyIn is WriteFile with the content of a file of this host.
	CopyIn(hostPath, path string, mode fs.FileMode) error
	// Remove removes a file or folder there, if there is one.
	Remove(path string) error
	// HostPID turns a PID there into one that is valid here.
	HostPID(pid int) (int, error)
}

var (
	_ Host = (*Machine)(nil)
	_ Host = thisHost{}
)

// thisHost is the host this process runs on.
type thisHost struct{}

func (thisHost) String() string { return "this host" }

func (thisHost) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "SYSTEMD_COLORS=0", "SYSTEMD_PAGER=")
	killGroup(cmd)
	return cmd
}

func (thisHost) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, network, address)
}

func (h thisHost) WriteFile(path string, data []byte, mode fs.FileMode) error {
	dir, name := filepath.Split(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("machine: write %s: %w", path, err)
	}
	if err := replaceFile(dir, name, bytes.NewReader(data), mode); err != nil {
		return fmt.Errorf("machine: write %s: %w", path, err)
	}
	return nil
}

func (h thisHost) CopyIn(hostPath, path string, mode fs.FileMode) error {
	data, err := os.ReadFile(hostPath)
	if err != nil {
		return fmt.Errorf("machine: copy in: %w", err)
	}
	return h.WriteFile(path, data, mode)
}

func (thisHost) Remove(path string) error     { return os.RemoveAll(path) }
func (thisHost) HostPID(pid int) (int, error) { return pid, nil }
