// Package units writes, checks and watches the unit files of a service that is
// upgraded by `systemctl reload`, for the command line, for package status, and for
// package units of this module, which offers the part that others need.
//
// # Verify
//
// [Verify] looks at any pair of a service and its sockets and returns a [Finding] for
// each setting that gets in the way of upgrades. The pair comes from files with their
// drop-ins ([Load], [Parse]) or from a running systemd ([Conn.Pair]). Verify is a pure
// function, and [Cure] one that makes drop-ins of the lines. [Analyze] has
// systemd-analyze(1) look at the same files, and [Merge] puts the two together. The
// version of the systemd that is to run them, see [InstalledVersion] and [Conn.Version],
// decides where a helper can answer for an upgrade ([ReloadPost]).
//
// # Live units
//
// [Dial] connects to the systemd of the machine or of the user, [DialWith] to that of
// another machine. [Conn.Names] lists units; [Conn.Query], [Conn.Processes],
// [Conn.Store] and [Conn.Watch] tell how one is; [Conn.Reload] reloads it and waits
// for the result.
//
// [Conn.Running] looks at how a service runs: a .socket may have been edited since it
// was started, the path of a socket be gone, a store be taken away. With that in the
// pair Verify says so too; [VerifyRunning] says nothing else.
//
// # Who owns which descriptor
//
// A [Conn] owns two connections to the bus from Dial to [Conn.Close]. Nothing
// else in this package holds a descriptor when it returns.
//
// Man pages: systemd-analyze(1), proc_pid_net(5), sock_diag(7),
// org.freedesktop.systemd1(5).
package units
