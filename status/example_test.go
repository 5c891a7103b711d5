package status_test

import (
	"context"
	"fmt"
	"log"
	"net/http"

	"github.com/instar-project/instar/reload"
	"github.com/instar-project/instar/reload/httpdrain"
	"github.com/instar-project/instar/status"
)

// A service shows itself on the bus, and an upgrade follows the unit: its arguments,
// its directory and its variables.
func ExampleExported() {
	reload.Main(reload.Config{Command: status.Command}, status.Exported(
		func(ctx context.Context, svc *reload.Service) error {
			ln, err := svc.Listener("http")
			if err != nil {
				return err
			}
			return svc.Serve(ctx, httpdrain.New(&http.Server{}, ln))
		}))
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
