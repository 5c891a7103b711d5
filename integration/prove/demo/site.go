package demo

import (
	"context"
	"net"
)

// The services, by the names of their units.
const (
	web  = "web"
	echo = "echo"
)

// A build is a version stamp, and so the name of a binary.
type build string

// crashing is the build that ends as soon as it starts.
const crashing build = "crashing"

// A site is a place where both services run and can be upgraded.
type site interface {
	// Systemd is the full version of the systemd in charge.
	Systemd() string

	// Dial opens a connection to a service from where the site's clients are.
	Dial(ctx context.Context, network, address string) (net.Conn, error)

	// Install replaces the binary of a service by another build, as a
	// deployment does: by rename. Nothing is restarted.
	Install(ctx context.Context, service string, b build) error

	// Reload calls `systemctl reload` and returns when that does.
	Reload(ctx context.Context, service string) error

	// Show asks systemd how a service stands.
	Show(ctx context.Context, service string) (unitState, error)

	// Processes is the number of processes of a service: its main process, and
	// the predecessors that still drain. Zero stands for a service that does
	// not run.
	Processes(service string) (int, error)
}

// A unitState is how systemd says a service stands.
type unitState struct {
	MainPID  int
	Status   string // the text of the last STATUS=
	Restarts int    // that systemd made by itself
}
