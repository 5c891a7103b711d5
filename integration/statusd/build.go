package main

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/instar-project/instar/reload"
	"github.com/instar-project/instar/status"
)

var (
	// follow, if it is anything, lets changed arguments and variables of the unit
	// reach a successor.
	follow = ""
)

// begin runs before Open.
func begin() error {
	pause, err := time.ParseDuration(slow)
	if err != nil {
		return err
	}
	time.Sleep(pause)
	switch fault {
	case "crash":
		return errors.New("this build crashes at start")
	case "stuck":
		time.Sleep(time.Hour)
	}
	return nil
}

// check answers a preflight.
func check(context.Context) error {
	if fault == "object" {
		return errors.New("the configuration names\nno backend")
	}
	return nil
}

// command is the Config.Command of the build.
func command() func(context.Context, *reload.Service) (reload.Command, error) {
	if follow == "" {
		return nil
	}
	return status.Command
}

// started shows the process's arguments and variables, for the clients.
func started() string {
	return strings.Join(os.Args[1:], " ") + "|" + os.Getenv("GREETING") + "|" + os.Getenv("FAREWELL")
}

// panicServing ends this process by a panic as soon as it serves.
func panicServing(svc *reload.Service) {
	changes, stop := svc.Watch()
	defer stop()
	for !svc.Snapshot().Main {
		<-changes
	}
	panic("this build panics as it serves")
}
