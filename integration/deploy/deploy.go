// Package deploy builds the services that are upgraded in tests, in the demo
// and in benchmarks, and puts them where their units expect them, as a
// deployment does: the binary is replaced by rename.
package deploy

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// module is the import path that the packages of this module begin with.
const module = "github.com/instar-project/instar/"

// peers is the folder of the nested module: services that use the libraries of others.
const peers = "integration/peers"

// Builder builds binaries into a directory of its own. Close removes it.
type Builder struct {
	dir  string
	mu   sync.Mutex
	done map[string]string // by package and flags
}

// NewBuilder makes the directory.
func NewBuilder() (*Builder, error) {
	dir, err := os.MkdirTemp("", "instar-build-")
	if err != nil {
		return nil, fmt.Errorf("deploy: %w", err)
	}
	return &Builder{dir: dir, done: make(map[string]string)}, nil
}

// Close removes all that was built.
func (b *Builder) Close() error { return os.RemoveAll(b.dir) }

// Build builds the package of this module at folder, such as "examples/web",
// static and with the stamps, each "name=value" for a string variable of its
// package main. The path it returns stays valid until Close; what was built
// before is not built again. A folder in "integration/peers" is of the module there.
func (b *Builder) Build(ctx context.Context, folder string, stamps ...string) (path string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	ldflags := "-s -w"
	for _, s := range stamps {
		ldflags += " -X main." + s
	}
	key := folder + " " + ldflags
	if path, ok := b.done[key]; ok {
		return path, nil
	}
	path = filepath.Join(b.dir, fmt.Sprintf("%s-%d", filepath.Base(folder), len(b.done)))
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", ldflags, "-o", path, module+folder)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if strings.HasPrefix(folder, peers+"/") {
		root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
		if err != nil {
			return "", fmt.Errorf("deploy: where this module is: %w", err)
		}
		cmd.Dir = filepath.Join(strings.TrimSpace(string(root)), peers)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("deploy: %s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	b.done[key] = path
	return path, nil
}
