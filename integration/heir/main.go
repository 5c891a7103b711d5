// Heir is a service that tells what it has from systemd and from its predecessor. A
// question is a line, and so is the answer:
//
//	file PATH    what the file says, $VARIABLES in PATH replaced
//	env NAME     a variable
//	args         its arguments
//	say TEXT     prints TEXT on stdout
//	log TEXT     logs TEXT
//
// How it is upgraded is chosen when it is built:
//
//	go build -ldflags "-X main.version=v2 -X main.follow=yes" ./integration/heir
package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"

	"github.com/instar-project/instar/reload"
	"github.com/instar-project/instar/status"
)

var (
	version   = "unstamped"
	follow    = "" // anything else: with status.Command
	directory = "" // Config.Directory
	reshape   = "" // anything else: it changes all that a program may change before Open
)

func main() {
	if err := run(context.Background()); err != nil {
		slog.Error("heir", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	if reshape != "" {
		if err := reshapeProcess(); err != nil {
			return err
		}
	}
	config := reload.Config{Build: version, Directory: directory}
	if follow != "" {
		config.Command = status.Command
	}
	svc, err := reload.Open(config)
	if err != nil {
		return err
	}
	defer svc.Close()
	ln, err := svc.Listener("who")
	if err != nil {
		return err
	}
	status.Export(ctx, svc, status.Config{})
	return svc.Serve(ctx, reload.Streams(ln, func(c net.Conn) {
		for questions := bufio.NewScanner(c); questions.Scan(); {
			fmt.Fprintln(c, version, answer(questions.Text()))
		}
	}))
}

func answer(question string) string {
	what, of, _ := strings.Cut(question, " ")
	switch what {
	case "file":
		text, err := os.ReadFile(os.ExpandEnv(of))
		if err != nil {
			return err.Error()
		}
		return strings.TrimSpace(string(text))
	case "env":
		return os.Getenv(of)
	case "args":
		return strings.Join(os.Args, " ")
	case "say":
		fmt.Println(of)
	case "log":
		slog.Info(of)
	}
	return ""
}

// reshapeProcess is what command line libraries, files of variables, and programs that
// collect their own output do.
func reshapeProcess() error {
	os.Args = []string{"serve"}
	if err := os.Setenv("OWN", "yes"); err != nil {
		return err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	stderr := os.Stderr
	os.Stderr = w
	go io.Copy(stderr, r)
	slog.SetDefault(slog.New(slog.NewTextHandler(w, nil)))
	return os.Chdir("/tmp")
}
