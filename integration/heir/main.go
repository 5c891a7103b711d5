// Heir is a service that shows its inheritance from systemd and from its
// predecessor. A question is a line, and so is the answer:
//
//	file PATH    the content of the file, $VARIABLES in PATH replaced
//	env NAME     a variable
//	args         its arguments
//	say TEXT     prints TEXT on stdout
//	log TEXT     logs TEXT
//
// How it is upgraded is in /etc/heir, which it reads at its start, in words:
//
//	build=NAME       the name of its build
//	follow           Config.Command is status.Command
//	directory=PATH   Config.Directory
//	reshape          it changes all that a program may change before Open
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

func main() {
	if err := run(context.Background()); err != nil {
		slog.Error("heir", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	config, err := configure()
	if err != nil {
		return err
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
	return svc.Serve(ctx, reload.Streams(ln, func(_ context.Context, c net.Conn) {
		for questions := bufio.NewScanner(c); questions.Scan(); {
			fmt.Fprintln(c, svc.Build(), answer(questions.Text()))
		}
	}))
}

func configure() (config reload.Config, err error) {
	text, err := os.ReadFile("/etc/heir")
	if err != nil {
		return config, err
	}
	for _, word := range strings.Fields(string(text)) {
		switch key, value, _ := strings.Cut(word, "="); key {
		case "build":
			config.Build = value
		case "follow":
			config.Command = status.Command
		case "directory":
			config.Directory = value
		case "reshape":
			if err := reshape(); err != nil {
				return config, err
			}
		default:
			return config, fmt.Errorf("/etc/heir: %q is nothing to be", word)
		}
	}
	return config, nil
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

// reshape acts like command line libraries, files of variables, and programs that
// collect their own output.
func reshape() error {
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
