package units_test

import (
	"fmt"
	"log"

	"github.com/instar-project/instar/units"
)

func ExampleWrite() {
	files, err := units.Write(units.Service{
		Name:      "web",
		ExecStart: []string{"/opt/web/web"},
		Sockets:   []units.Socket{{Name: "http", Listen: []string{"ListenStream=8080"}}},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(files[1].Text)
	// Output:
	// [Unit]
	// Description=web: socket http
	//
	// [Socket]
	// # The name that the service asks for.
	// FileDescriptorName=http
	// ListenStream=8080
	//
	// # Room for the connections that arrive while no process accepts: during a takeover,
	// # after a crash.
	// Backlog=4096
	//
	// # However often the service has to be started, the socket stays open.
	// TriggerLimitIntervalSec=0
	//
	// [Install]
	// WantedBy=sockets.target
}

func ExampleUnits_Verify() {
	web, err := units.Load("web.service", "testdata")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(web.Verify(units.Service{})[0])
	// Output:
	// testdata/web.service:6: error: Type=simple neither tells the service to reload nor reads its messages; write Type=notify-reload in [Service]; see systemd.service(5) [service-type]
}
