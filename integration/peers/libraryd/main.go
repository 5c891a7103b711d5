// Command libraryd is one service with the servers of several libraries, each served as its
// own documentation says and ended by its own graceful end. Connections that last are told
// of the drain.
//
// It says on stderr when it has taken over, in microseconds since 1970. The file beside it
// has the name of its build; two of these are bad, and their predecessor takes back.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strconv"
	"time"

	"github.com/instar-project/instar/reload"
)

// Bad builds.
const (
	unwell = "unwell" // says so on its probation
	deaf   = "deaf"   // takes over, serves no client, and dies
)

// drainTimeout is longer than everything here takes that takes its end from a drain.
const drainTimeout = 4 * time.Second

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	build, err := os.ReadFile(os.Args[0] + ".build")
	if err != nil {
		return err
	}
	config := reload.Config{Build: string(build), DrainTimeout: drainTimeout}
	var svc *reload.Service
	if config.Build == unwell {
		config.Probation = 10 * time.Second
		config.Health = func(context.Context) error {
			if svc.Phase() == "probation" {
				return errors.New("it is not well")
			}
			return nil
		}
	}
	if svc, err = reload.Open(config); err != nil {
		return err
	}
	defer svc.Close()
	go watch(svc)
	if config.Build == deaf {
		return svc.Serve(context.Background())
	}
	servers, err := all(svc)
	if err != nil {
		return err
	}
	return svc.Serve(context.Background(), servers...)
}

// all makes the servers.
func all(svc *reload.Service) (servers []reload.Server, err error) {
	for _, one := range []func(*reload.Service) (reload.Server, error){
		calls, namesByTCP, namesByUDP, fast, push, shells,
	} {
		server, err := one(svc)
		if err != nil {
			return nil, err
		}
		servers = append(servers, server)
	}
	return servers, nil
}

// watch waits for the takeover.
func watch(svc *reload.Service) {
	for {
		switch svc.Phase() {
		case "serving", "probation":
			fmt.Fprintf(os.Stderr, "generation %d has taken over at %d\n", svc.Generation(), time.Now().UnixMicro())
			if svc.Build() == deaf {
				time.Sleep(100 * time.Millisecond)
				os.Exit(3)
			}
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// sign is how every answer says which generation gives it.
func sign(svc *reload.Service) string { return strconv.Itoa(svc.Generation()) }
