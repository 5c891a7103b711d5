package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const (
	examples        = "github.com/instar-project/instar/examples/"
	crashingPackage = "github.com/instar-project/instar/integration/demo/crashing"
)

// binaries are the builds of both services, in a folder of their own.
type binaries struct{ dir string }

// path is where a build of a service lies.
func (b binaries) path(service string, stamp build) string {
	return filepath.Join(b.dir, service+"-"+string(stamp))
}

// compile makes every build of every service, and the crashing one of each.
func (b binaries) compile(ctx context.Context, stamps ...build) error {
	for _, service := range []string{web, echo} {
		for _, stamp := range stamps {
			if err := goBuild(ctx, b.path(service, stamp), examples+service, "-X main.version="+string(stamp)); err != nil {
				return err
			}
		}
		if err := goBuild(ctx, b.path(service, crashing), crashingPackage, ""); err != nil {
			return err
		}
	}
	return nil
}

// goBuild builds a package without cgo, because the machine may have another C
// library than this host.
func goBuild(ctx context.Context, output, pkg, linkerFlags string) error {
	_, err := goCommand(ctx, "build", "-trimpath", "-ldflags", linkerFlags, "-o", output, pkg)
	return err
}

// folder is where the source of a package lies.
func folder(ctx context.Context, pkg string) (string, error) {
	out, err := goCommand(ctx, "list", "-f", "{{.Dir}}", pkg)
	return strings.TrimSpace(out), err
}

func goCommand(ctx context.Context, args ...string) (stdout string, err error) {
	var out, problem bytes.Buffer
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("go %s: %w (run it in Instar's source tree)\n%s", strings.Join(args, " "), err, problem.String())
	}
	return out.String(), nil
}
