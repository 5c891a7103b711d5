// Package inside is how package status reaches parts of a reload.Service that
// applications have no use for.
package inside

// Service is the inside of a reload.Service.
type Service interface {
	// Sockets lists the sockets of the service, in the order of the .socket units. They
	// stay the same for as long as the process lives; after Serve there are none.
	Sockets() []Socket
	// StartedWith is the text of SetStartedWith, noted by this generation or one before
	// it; "" if there is none.
	StartedWith() string
	// SetStartedWith notes how systemd has started the service, in a text for every later
	// generation to know: its sandbox and its limits come from there, whatever the unit
	// says by then. A service that systemd starts anew begins without. The error is that
	// of a text longer than handover.MaxStartedWith.
	SetStartedWith(text string) error
}

// Socket is one of the descriptors that systemd has passed.
type Socket struct {
	// Name is that of FileDescriptorName=.
	Name string
	// Network is the name that package net has for it: "tcp", "udp", "unix", "unixgram",
	// "unixpacket"; or "vsock", "netlink", "socket" for any other, "file" for none.
	Network string
	// Address is the address that it is bound to, as ss(8) shows it; "" if it has none.
	Address string
}

// Of returns the inside of a *reload.Service. Package reload sets it.
var Of func(service any) Service
