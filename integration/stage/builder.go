// Package stage is where services are upgraded in tests and proofs: a machine, the builds
// of the services, and their units. As in a deployment, a binary is replaced by rename.
package stage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// Source is where a folder of Instar's source tree lies, such as "examples/web".
func Source(ctx context.Context, folder string) (dir string, err error) {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/instar-project/instar").Output()
	if err != nil {
		return "", fmt.Errorf("stage: find Instar's source tree: %w (run this in its folder integration)", err)
	}
	return filepath.Join(strings.TrimSpace(string(root)), folder), nil
}

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
		return nil, fmt.Errorf("stage: %w", err)
	}
	return &Builder{dir: dir, done: make(map[string]string)}, nil
}

// Close removes all that was built.
func (b *Builder) Close() error { return os.RemoveAll(b.dir) }

// Build builds the package in a folder of the source tree, such as "examples/web",
// as its own module has it, static and with the stamps, each "name=value" for a
// string variable of its package main. "protocol=1.99" is for a build that speaks that
// version of the handover, "protocol=" for the present one. The path it returns stays valid
// until Close. Each package is built once for the same stamps.
func (b *Builder) Build(ctx context.Context, folder string, stamps ...string) (path string, err error) {
	return b.BuildAt(ctx, "", folder, stamps...)
}

// ErrNoRevision is the error of BuildAt where the source tree has no such history, as in
// an archive or a shallow clone.
var ErrNoRevision = errors.New("the source tree has no such revision")

// BuildAt is Build of the source tree as it was at a revision of git(1); "" is now.
func (b *Builder) BuildAt(ctx context.Context, revision, folder string, stamps ...string) (path string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	ldflags := "-s -w"
	var tags string
	for _, s := range stamps {
		switch version, ok := strings.CutPrefix(s, "protocol="); {
		case !ok:
			ldflags += " -X main." + s
		case version != "":
			tags = "instar_distant"
			ldflags += " -X github.com/instar-project/instar/internal/handover.version=" + version
		}
	}
	key := revision + " " + folder + " " + ldflags
	if path, ok := b.done[key]; ok {
		return path, nil
	}
	path = filepath.Join(b.dir, fmt.Sprintf("%s-%d", filepath.Base(folder), len(b.done)))
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-tags", tags, "-ldflags", ldflags, "-o", path)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if cmd.Dir, err = b.source(ctx, revision, folder); err != nil {
		return "", err
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("stage: in %s: %s: %w\n%s", folder, strings.Join(cmd.Args, " "), err, out)
	}
	b.done[key] = path
	return path, nil
}

// source is where a folder lies as it was at a revision.
func (b *Builder) source(ctx context.Context, revision, folder string) (dir string, err error) {
	if revision == "" {
		return Source(ctx, folder)
	}
	tree := filepath.Join(b.dir, "revision-"+revision)
	if _, err := os.Stat(tree); err == nil {
		return filepath.Join(tree, folder), nil
	}
	root, err := Source(ctx, ".")
	if err != nil {
		return "", err
	}
	if exec.CommandContext(ctx, "git", "-C", root, "cat-file", "-e", revision+"^{commit}").Run() != nil {
		return "", fmt.Errorf("stage: %w: %s", ErrNoRevision, revision)
	}
	if err := os.Mkdir(tree, 0o755); err != nil {
		return "", fmt.Errorf("stage: %w", err)
	}
	archive := filepath.Join(b.dir, revision+".tar")
	for _, args := range [][]string{
		{"git", "-C", root, "archive", "--output=" + archive, revision},
		{"tar", "--extract", "--file=" + archive, "--directory=" + tree},
	} {
		if out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("stage: %s: %w\n%s", strings.Join(args, " "), err, out)
		}
	}
	return filepath.Join(tree, folder), nil
}
