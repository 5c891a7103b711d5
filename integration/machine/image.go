package machine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// CacheVariable names the environment variable with the folder that images are
// kept under. Without it, that is "instar" in [os.UserCacheDir].
const CacheVariable = "INSTAR_CACHE"

// Image is a tree that machines boot from. No machine changes it. It stays in
// the cache until somebody removes it; to have newer packages, remove it.
type Image struct {
	Version Version
	Systemd string // the exact version, such as "257.13"
	Dir     string // the root of the tree
}

// Build returns the image for a version, and builds it first (half a minute, and
// 40 MB from the mirror) if the cache doesn't hold it. Processes that want the
// same image at once wait for one of them to build it.
//
// The error has [ErrUnavailable] when the mirror cannot give that version.
func Build(ctx context.Context, v Version) (Image, error) {
	r, err := recipeFor(v)
	if err != nil {
		return Image{}, err
	}
	images, err := imagesDir()
	if err != nil {
		return Image{}, err
	}
	dir := filepath.Join(images, fmt.Sprintf("systemd-%s-%s", v, r.key()))

	// A tree has its name only once it is whole, so its presence is enough.
	if img, err := openImage(v, dir); err == nil || !errors.Is(err, os.ErrNotExist) {
		return img, err
	}
	if err := supported("mmdebstrap"); err != nil {
		return Image{}, err
	}
	if err := os.MkdirAll(images, 0o755); err != nil {
		return Image{}, fmt.Errorf("machine: image cache: %w", err)
	}
	lock, err := lockFile(ctx, dir+".lock")
	if err != nil {
		return Image{}, fmt.Errorf("machine: image for systemd %s: waiting for its lock: %w", v, err)
	}
	defer lock.Close()
	if img, err := openImage(v, dir); err == nil || !errors.Is(err, os.ErrNotExist) {
		return img, err // somebody else has built it while we waited
	}

	building := dir + ".building"
	if err := os.RemoveAll(building); err != nil {
		return Image{}, fmt.Errorf("machine: remove an image left unfinished: %w", err)
	}
	if err := r.build(ctx, v, building, lock); err != nil {
		return Image{}, errors.Join(err, os.RemoveAll(building))
	}
	if err := os.Rename(building, dir); err != nil {
		return Image{}, fmt.Errorf("machine: image for systemd %s: %w", v, err)
	}
	return openImage(v, dir)
}

func imagesDir() (string, error) {
	cache := os.Getenv(CacheVariable)
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("machine: image cache: %w; set %s", err, CacheVariable)
		}
		cache = filepath.Join(user, "instar")
	}
	dir, err := filepath.Abs(filepath.Join(cache, "images"))
	if err != nil {
		return "", fmt.Errorf("machine: image cache: %w", err)
	}
	return dir, nil
}

// openImage returns the image in dir. No image there is os.ErrNotExist.
func openImage(v Version, dir string) (Image, error) {
	status, err := os.ReadFile(filepath.Join(dir, "var/lib/dpkg/status"))
	if err != nil {
		return Image{}, fmt.Errorf("machine: image for systemd %s: %w", v, err)
	}
	systemd := installedVersion(string(status), "systemd")
	if systemd == "" {
		return Image{}, fmt.Errorf("machine: the image in %s has no systemd; remove that folder", dir)
	}
	return Image{Version: v, Systemd: systemd, Dir: dir}, nil
}

// build has mmdebstrap put the tree together in dir.
func (r recipe) build(ctx context.Context, v Version, dir string, lock *os.File) error {
	cmd := exec.CommandContext(ctx, "mmdebstrap", r.arguments(mirror(), dir)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		// mmdebstrap's mounts into the tree are out of our sight and gone with it,
		// so that removing an unfinished tree removes nothing of the host.
		Unshareflags: unix.CLONE_NEWNS,
		Setpgid:      true,
	}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	cmd.WaitDelay = time.Second
	// The lock is of the open file, which mmdebstrap shares: if we are killed, no
	// other process builds here until mmdebstrap has ended too.
	cmd.ExtraFiles = []*os.File{lock}
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output

	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("machine: image for systemd %s: %w", v, context.Cause(ctx))
		}
		if reason, ok := mirrorFault(output.String()); ok {
			return fmt.Errorf("machine: systemd %s: %w: %s", v, ErrUnavailable, reason)
		}
		return fmt.Errorf("machine: image for systemd %s: mmdebstrap: %w\n%s", v, err, tail(output.String(), 4000))
	}
	img, err := openImage(v, dir)
	if err != nil {
		return err
	}
	if major, _, _ := strings.Cut(img.Systemd, "."); major != string(v) {
		return fmt.Errorf("machine: systemd %s: %w: Debian %s has %s now",
			v, ErrUnavailable, r.suite, img.Systemd)
	}
	return nil
}

// upstream is the part of a Debian version that systemd itself calls its version.
var upstream = regexp.MustCompile(`^(?:[0-9]+:)?([0-9]+(?:\.[0-9]+)*)`)

// installedVersion returns the upstream version of an installed package from the
// text of dpkg's status file, or "" when it isn't installed.
func installedVersion(status, name string) string {
	for paragraph := range strings.SplitSeq(status, "\n\n") {
		fields := map[string]string{}
		for line := range strings.Lines(paragraph) {
			if key, value, ok := strings.Cut(line, ":"); ok && !strings.HasPrefix(key, " ") {
				fields[key] = strings.TrimSpace(value)
			}
		}
		if fields["Package"] != name || fields["Status"] != "install ok installed" {
			continue
		}
		if m := upstream.FindStringSubmatch(fields["Version"]); m != nil {
			return m[1]
		}
	}
	return ""
}

// mirrorFaults are apt's words when the fault is not on this side.
var mirrorFaults = regexp.MustCompile(`^(E|W|Err):.*(` + strings.Join([]string{
	`Failed to fetch`,
	`Could not (resolve|connect)`,
	`Temporary failure`,
	`Connection (failed|timed out)`,
	`does not have a Release file`,
	`Release file for .* is expired`,
	`is not signed`,
	`Unable to locate package`,
	`has no installation candidate`,
	`The value '.*' is invalid for APT::Default-Release`,
	`held broken packages`,
	`[Uu]nmet dependencies`,
}, "|") + `)`)

// mirrorFault finds in the output of mmdebstrap the line that blames the mirror.
func mirrorFault(output string) (reason string, ok bool) {
	for line := range strings.Lines(output) {
		if line = strings.TrimSpace(line); mirrorFaults.MatchString(line) {
			return line, true
		}
	}
	return "", false
}

// lockFile opens the file, makes it if need be, and waits for its flock(2).
// Closing the file releases the lock, unless a child holds the file too.
func lockFile(ctx context.Context, path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if err != unix.EWOULDBLOCK && err != unix.EINTR {
			f.Close()
			return nil, os.NewSyscallError("flock", err)
		}
		// A blocking flock could not be called off, and the wait is for a build
		// of many seconds: asking now and then is enough.
		select {
		case <-ctx.Done():
			f.Close()
			return nil, context.Cause(ctx)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// tail returns the last n bytes of s.
func tail(s string, n int) string {
	if len(s) > n {
		return "…" + s[len(s)-n:]
	}
	return s
}
