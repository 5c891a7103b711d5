// Package units writes, checks and watches the unit files of a service that is
// upgraded by `systemctl reload`: one NAME.service and its .socket units.
//
// # Write
//
// A [Service] says what the service is; [Write] renders its unit files with
// everything an upgrade needs, and a comment for each setting that says why:
//
//	files, err := units.Write(units.Service{
//		Name:      "web",
//		ExecStart: []string{"/opt/web/web"},
//		Sockets:   []units.Socket{{Name: "http", Listen: []units.Listen{units.Stream("8080")}}},
//	})
//
// The text depends on the Service alone and keeps its order, so that writing
// it again changes nothing.
//
// # Verify
//
// [Verify] looks at any pair, whoever has written it, and returns a [Finding]
// for each setting that gets in the way of upgrades: the rule, where, why, and
// the line to write instead. The pair comes from files with their drop-ins
// ([Load], [Parse]) or from a running systemd ([Conn.Pair]). Verify is a pure
// function, and [Cure] one that makes drop-ins of the lines. [Analyze] has systemd-analyze(1) look at the same files, and [Merge]
// puts the two together. Which systemd is to run them, see [InstalledVersion] and
// [Conn.Version], decides where a helper can answer for an upgrade ([ReloadPost]).
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
// # Versions
//
// What Write renders is known to systemd 254, the lowest that Instar supports,
// and to all later ones.
//
// Man pages: systemd.syntax(7), systemd.unit(5), systemd.service(5),
// systemd.socket(5), systemd.kill(5), systemd.exec(5), systemd.time(7),
// systemd-analyze(1), proc_pid_net(5), sock_diag(7), org.freedesktop.systemd1(5).
package units
