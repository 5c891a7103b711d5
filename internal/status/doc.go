// Package status is the object of a service on the bus: the service's side of it, which
// package status of this module offers to applications, and a client of it, for the
// command line.
//
// # Asking
//
// [Dial] makes a [Client] of one service; [OpenBus] a [Bus], which lists, asks and
// watches all of them, on this machine or, with [OpenBusWith], on another.
// [Client.Answer] finds the verdict that answers a reload signal, for ExecReload= and
// ExecReloadPost=: see systemd.service(5). [Introspection] is the interface as XML.
//
// # Descriptors
//
// Export owns one connection to the bus, close-on-exec, until ctx ends or
// Service.Serve is over, and two more for the moment of a look at the unit. A
// [Client] owns one from Dial to Close, a [Bus] one for all of its clients.
package status
