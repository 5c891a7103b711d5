// Package units writes and checks the unit files of a service that is upgraded by
// `systemctl reload`: one NAME.service and its .socket units.
//
// It is for deployment tools and their tests. People use `instar init` and
// `instar verify`, which do the same and more; a service itself needs none of it.
//
// # Write
//
// A [Service] describes the service; [Write] renders its unit files with everything
// an upgrade needs, and a comment for each setting that says why:
//
//	files, err := units.Write(units.Service{
//		Name:      "web",
//		ExecStart: []string{"/opt/web/web"},
//		Sockets:   []units.Socket{{Name: "http", Listen: []string{"ListenStream=8080"}}},
//	})
//
// The text depends on the Service alone and keeps its order, so that writing
// it again changes nothing.
//
// # Verify
//
// [Load] reads the units of any service from files, [Ask] from a running systemd.
// [Units.Verify] returns a [Finding] for each setting that gets in the way of upgrades:
// the rule, the place, the reason, and the line to write instead.
//
//	u, err := units.Load("web.service", "testdata/units")
//	…
//	for _, finding := range u.Verify(units.Service{}) {
//		t.Error(finding)
//	}
//
// Nothing in this package holds a descriptor when it returns.
//
// # Versions
//
// The settings that Write renders are known to systemd 254, the lowest that Instar
// supports, and to all later ones.
//
// Man pages: systemd.syntax(7), systemd.unit(5), systemd.service(5),
// systemd.socket(5), systemd.kill(5), systemd.exec(5), systemd.time(7),
// org.freedesktop.systemd1(5).
package units
