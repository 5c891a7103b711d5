// Package setup makes the files of a new service, and puts them in place, for
// `instar init`. It infers as much as it can.
//
// [Plan] is pure. It has package units write the unit files, with the helper that
// answers for `systemctl reload` ([units.ReloadPost] says in which lines), and adds
// the files that a system service needs to show its status on the bus: the policy
// of package status, and a user that the bus can know, in a line of sysusers.d(5).
//
// Only [File.Compare] and [File.Write] touch the disk. File.Then has the commands
// that follow (the bus reads its policies, systemd its units), for the caller to run
// or to show.
//
// Man pages: systemd.unit(5), sysusers.d(5), dbus-daemon(1). Needs systemd 254, as
// package units does. No descriptor stays open.
package setup
