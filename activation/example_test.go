package activation_test

import (
	"errors"
	"fmt"
	"log"
	"net/http"

	"github.com/instar-project/instar/activation"
)

// A service whose .socket unit has two lines, or two .socket units, one with
// FileDescriptorName=http and one with FileDescriptorName=dns.
func Example() {
	set, err := activation.Take()
	if err != nil {
		log.Fatal(err)
	}
	defer set.Close()

	ln, err := set.Listener("http")
	if err != nil {
		log.Fatal(err)
	}
	dns, err := set.PacketConn("dns")
	if err != nil {
		log.Fatal(err)
	}
	defer dns.Close()
	if err := set.CheckUnclaimed(); err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.Serve(ln, nil))
}

// A program that was started by hand says how to start it.
func ExampleSet_Listener() {
	set, err := activation.Take()
	if err != nil {
		log.Fatal(err)
	}
	defer set.Close()

	if _, err := set.Listener("http"); errors.Is(err, activation.ErrNotActivated) {
		fmt.Println("not started by systemd")
	} else if err != nil {
		log.Fatal(err)
	}
	// Output: not started by systemd
}

// An admin interface that must never listen anywhere but on this machine.
func ExampleBoundTo() {
	set, err := activation.Take()
	if err != nil {
		log.Fatal(err)
	}
	defer set.Close()
	admin, err := set.Listener("admin", activation.BoundTo("127.0.0.1:0"), activation.Only("tcp"))
	if err != nil {
		log.Fatal(err)
	}
	defer admin.Close()
}
