package status_test

import (
	"context"
	"fmt"
	"log"

	"github.com/instar-project/instar/reload"
	"github.com/instar-project/instar/status"
)

// A service shows itself on the bus, and an upgrade follows the unit: its arguments,
// its directory and its variables.
func ExampleExport() {
	ctx := context.Background()
	svc, err := reload.Open(reload.Config{Command: status.Command})
	if err != nil {
		log.Fatal(err)
	}
	defer svc.Close()
	status.Export(ctx, svc, status.Config{})
}

func ExampleName() {
	name, err := status.Name("web-api.service")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(name)
	// Output:
	// io.github.instar_project.unit.web_2dapi
}
