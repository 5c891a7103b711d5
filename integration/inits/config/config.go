// Package config is initialised as the packages of services are that were never meant
// to run but where systemd starts them: it panics without its environment, prints, takes
// its time and leaves a trace.
package config

import (
	"fmt"
	"os"
	"time"
)

// Journal gets a line each time.
const Journal = "/var/lib/web/initialised"

// DSN is where a database would be.
var DSN = must("DSN")

func must(name string) string {
	value := os.Getenv(name)
	if value == "" {
		panic(name + " is not set")
	}
	return value
}

func init() {
	f, err := os.OpenFile(Journal, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	fmt.Fprintln(f, "PID", os.Getpid())
	fmt.Println("initialising")
	time.Sleep(300 * time.Millisecond)
}
