// Package setup is what `instar init` does: it makes the files of a new service
// out of the little that cannot be inferred, and puts them in place.
//
// [Plan] is pure. It has package units write the unit files, with the helper that
// answers for `systemctl reload` ([units.ReloadPost] says in which lines), and adds
// what a system service needs to show its status on the bus: the policy of package
// status, and a user that the bus can know, in a line of sysusers.d(5).
//
// [File.Compare] and [File.Write] are all that touches the disk. What is to be done
// after a file (the bus reads its policies, systemd its units) is File.Then, for the
// caller to run or to show.
//
// Man pages: systemd.unit(5), sysusers.d(5), dbus-daemon(1). Needs systemd 254, as
// package units does. No descriptor stays open.
package setup
