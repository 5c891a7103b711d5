package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/instar-project/instar/internal/status"
	"github.com/instar-project/instar/internal/units"
)

// target is a service to verify, with its sockets.
type target struct {
	pair   units.Pair
	files  []string // for systemd-analyze: the unit files, without drop-ins
	folder string   // where drop-ins that --fix writes belong
}

// targets returns the services that the arguments name, each once, and the version
// of systemd that is to run them; 0: not known.
func (f *verifyFlags) targets(ctx context.Context, args []string) (all []target, systemd int, err error) {
	seen := make(map[string]bool)
	add := func(where string, load func() (target, error)) error {
		if seen[where] {
			return nil
		}
		seen[where] = true
		t, err := load()
		all = append(all, t)
		return err
	}
	systemd = f.systemd
	if f.live || f.host != "" {
		names, err := serviceNames(args)
		if err != nil {
			return nil, 0, err
		}
		s, err := f.open(ctx)
		if err != nil {
			return nil, 0, err
		}
		defer s.Close()
		for _, name := range names {
			if err := add(name, func() (target, error) { return s.liveTarget(ctx, name) }); err != nil {
				return nil, 0, err
			}
		}
		if systemd == 0 {
			systemd, err = s.systemd.Version(ctx)
		}
		return all, systemd, err
	}
	for _, arg := range args {
		folders, service, err := f.find(arg)
		if err != nil {
			return nil, 0, err
		}
		load := func() (target, error) { return fileTarget(folders, service) }
		if err := add(filepath.Join(folders[0], service), load); err != nil {
			return nil, 0, err
		}
	}
	if systemd == 0 {
		// Without one, no version is judged.
		systemd, _ = units.InstalledVersion(ctx, nil)
	}
	return all, systemd, nil
}

// find says which service an argument means, and the folders it is in.
func (f *verifyFlags) find(arg string) (folders []string, service string, err error) {
	if !isFile(arg) {
		name, err := serviceName(arg)
		home, _ := os.UserHomeDir()
		return units.SearchPath(f.scope(), home), name, err
	}
	folder, name := filepath.Split(arg)
	if folder == "" {
		folder = "."
	}
	folders = []string{filepath.Clean(folder)}
	switch filepath.Ext(name) {
	case ".service":
		return folders, name, nil
	case ".socket":
		service, err := serviceOf(arg)
		return folders, service, err
	}
	return nil, "", misuse(fmt.Errorf("%s is no unit file of a service or a socket: its name ends in neither .service nor .socket", arg))
}

// isFile tells a file from the name of a unit.
func isFile(arg string) bool {
	if strings.ContainsRune(arg, '/') {
		return true
	}
	_, err := os.Stat(arg)
	ext := filepath.Ext(arg)
	return err == nil && (ext == ".service" || ext == ".socket")
}

// serviceOf is the service that a socket's file belongs to.
func serviceOf(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	return units.Parse(filepath.Base(file), file, string(text)).Starts(), nil
}

func fileTarget(folders []string, service string) (target, error) {
	pair, err := units.Load(folders, service)
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			err = fmt.Errorf("%w; look as root", err)
		}
		return target{}, err
	}
	t := target{pair: pair, folder: folders[0]}
	for _, u := range append([]*units.Unit{pair.Service}, pair.Sockets...) {
		file, err := filepath.Abs(u.File)
		if err != nil {
			return target{}, err
		}
		t.files = append(t.files, file)
	}
	return t, nil
}

func (s *site) liveTarget(ctx context.Context, service string) (target, error) {
	var says status.State // nothing, if the service shows no status
	if client, err := s.client(service); err == nil {
		says, _ = client.State(ctx)
	}
	pair, err := runningPair(ctx, s.systemd, service, says)
	if err != nil {
		return target{}, err
	}
	t := target{pair: pair}
	for _, u := range append([]*units.Unit{pair.Service}, pair.Sockets...) {
		status, err := s.systemd.Query(ctx, u.Name)
		if err != nil {
			return target{}, err
		}
		if status.FragmentPath != "" {
			t.files = append(t.files, status.FragmentPath)
		}
	}
	t.files = slices.Compact(t.files)
	return t, nil
}
