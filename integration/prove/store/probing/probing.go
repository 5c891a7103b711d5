// Package probing puts integration/prove/store/probe into a machine as a service, and
// sends it commands for its store.
package probing

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/instar-project/instar/integration/machine"
	"github.com/instar-project/instar/integration/stage"
)

// Unit is the probe's service.
const Unit = "probe.service"

// Connections is where the probe accepts, on TCP.
const Connections = "127.0.0.1:7200"

const (
	path    = "/opt/probe/probe"
	control = "/run/probe.sock"
)

// The probe runs as root, without a sandbox: on some hosts the LimitNOFILE= of a
// service without privileges is too low for these measurements.
const service = `[Service]
Type=notify
NotifyAccess=main
ExecStart=` + path + `
Sockets=probe.socket probe-connections.socket
Restart=always
RestartSec=0
LimitNOFILE=65536
`

var sockets = map[string]string{
	"probe.socket":             "[Socket]\nFileDescriptorName=control\nListenStream=" + control + "\n",
	"probe-connections.socket": "[Socket]\nService=probe.service\nFileDescriptorName=connections\nListenStream=" + Connections + "\nBacklog=4096\n",
}

// Install builds the probe and starts its sockets. settings are of its [Service]
// section, FileDescriptorStoreMax= above all.
func Install(ctx context.Context, s *stage.Stage, settings ...string) error {
	if err := s.Release(ctx, path, "integration/prove/store/probe"); err != nil {
		return err
	}
	units := maps.Clone(sockets)
	units[Unit] = "[Unit]\nStartLimitIntervalSec=0\n" + service + strings.Join(settings, "\n") + "\n"
	if err := s.Install(ctx, units); err != nil {
		return err
	}
	return s.Manager.Start(ctx, slices.Collect(maps.Keys(sockets))...)
}

// ErrDied is the error of Ask when the probe has died instead of answering.
var ErrDied = errors.New("the probe has died")

// Ask tells the probe to do something, starting it if need be, and returns its answer. An
// "error" of the probe is an error with that text.
func Ask(ctx context.Context, m *machine.Machine, command string, args ...any) (string, error) {
	conn, err := m.Dial(ctx, "unix", control)
	if err != nil {
		return "", fmt.Errorf("probe: %s: %w", command, err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	command += strings.TrimSuffix(" "+fmt.Sprintln(args...), "\n")
	if _, err := fmt.Fprintln(conn, strings.TrimSpace(command)); err != nil {
		return "", fmt.Errorf("probe: %s: %w", command, err)
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
		return "", ErrDied
	}
	if err != nil {
		return "", fmt.Errorf("probe: %s: %w", command, err)
	}
	answer = strings.TrimSpace(answer)
	if text, failed := strings.CutPrefix(answer, "error "); failed {
		return "", errors.New(text)
	}
	return strings.TrimPrefix(answer, "ok "), nil
}

// Measure is Ask for an answer in JSON.
func Measure[T any](ctx context.Context, m *machine.Machine, command string, args ...any) (v T, err error) {
	answer, err := Ask(ctx, m, command, args...)
	if err != nil {
		return v, fmt.Errorf("%s: %w", command, err)
	}
	if err := json.Unmarshal([]byte(answer), &v); err != nil {
		return v, fmt.Errorf("%s: %w", command, err)
	}
	return v, nil
}
