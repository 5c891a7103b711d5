// Package status shows a service on the message bus, and lets others ask it to
// upgrade: instar(1), busctl(1), any D-Bus client.
//
// It is for a service on package reload that people or monitoring look at. A service
// that leaves it out upgrades as well, and links no D-Bus.
//
// # In the service
//
//	func main() { reload.Main(reload.Config{}, status.Exported(serve)) }
//
// Exported calls [Export] before serve. Export returns at once and never gets in the
// way: with no bus, a refused name or a bus that restarts, the service goes on, its log
// says so, and Export tries again.
//
// # On the bus
//
// One object with one interface, on the bus of the manager that runs the unit: the
// system bus, or a user's. Its name is [Name] of the unit: for web.service,
//
//	busctl introspect io.github.instar_project.unit.web /io/github/instar_project/Service1
//
// A call of Introspect, as by busctl --xml-interface introspect, returns the interface
// with a comment for each property, method and signal. `instar status --json` has the
// same for programs that speak no D-Bus. PropertiesChanged follows a change within
// 200 ms, and no sooner after the one before.
//
// # The owner of the name
//
// The main process, at every moment from its READY=1 on. Each generation queues for
// the name when it comes on the bus, and gives it up on request
// (DBUS_NAME_FLAG_ALLOW_REPLACEMENT); the one that becomes main asks
// (DBUS_NAME_FLAG_REPLACE_EXISTING). So the bus itself gives the name back to the
// predecessor when its successor dies, and to the older ones in turn. A process
// that has handed over stays until it has lost the name.
//
// # Rights
//
// The system bus refuses names and calls that no policy allows. [Policy] writes
// one, for /usr/share/dbus-1/system.d or /etc/dbus-1/system.d: root and the
// service's user own and call, everyone reads. The bus looks up the user when it
// reads that file, so a user that DynamicUser=yes makes up at each start is
// unknown to it: dbus-daemon logs "Unknown username" and ignores that part of the
// policy. (Where libnss-systemd is not installed it refuses such a user's
// connections altogether.) Declare a user of the unit's name with sysusers.d(5),
// as in
//
//	u web -
//
// and keep DynamicUser=yes: it uses the user that is there, and all that it implies
// stays in force. No polkit is involved. A user's own bus needs no policy: no other
// user is on it.
//
// RestrictAddressFamilies=AF_UNIX and PrivateNetwork=yes are no obstacle; the
// socket of the bus must be visible, so no RootDirectory= without
// BindPaths=/run/dbus.
//
// # The unit
//
// When a generation has come to serve, Export looks at the unit, as systemd has
// loaded it. Settings that contradict the service's limits, or stand in the way of
// upgrades, are logged as an error, and are in the property UnitProblems.
//
// Settings of the unit that no reload brings are in RestartNeeded, and logged after each
// upgrade: settings that come with the start (sandbox, limits, namespaces, ExecStartPre=),
// credentials whose source has changed, a log file that was rotated and that the service
// may not open, variables of an EnvironmentFile= that it may not read. Values are
// compared, not the text of the unit: WorkingDirectory= of a symlink that has moved is
// another directory. Changed arguments and variables, and another directory, reach a
// successor if the service wants them to: [Command].
//
// # Descriptors
//
// Export owns one connection to the bus, close-on-exec, until ctx ends or
// Service.Serve is over, and two more for the moment of a look at the unit.
//
// Needs systemd 254, as package reload does; any D-Bus broker. Man pages:
// dbus-daemon(1), busctl(1), systemd.service(5), sysusers.d(5), systemd.exec(5).
package status
