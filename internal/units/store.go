package units

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/godbus/dbus/v5"
)

// ErrNoDump is in the error of [Conn.Store] when systemd is too old to list a
// store: before 254.
var ErrNoDump = errors.New("this systemd cannot list a store: 254 or later can")

// ErrStoreDisabled is in the error of [Conn.Store] when the service has no store and
// systemd holds nothing for it.
var ErrStoreDisabled = errors.New("it has no file descriptor store: the unit has no FileDescriptorStoreMax=")

// ErrDenied is in the error of [Conn.Store] when the bus does not let this process
// list a store, which the systemd of the machine allows root alone.
var ErrDenied = errors.New("only root may list a store of systemd's")

// StoreEntry is one entry of a service's file descriptor store, as
// `systemd-analyze fdstore` shows it.
type StoreEntry struct {
	Name         string      // FDNAME= of sd_notify(3)
	Mode         fs.FileMode // type and permissions
	DeviceMajor  uint32      // of the file system it is in
	DeviceMinor  uint32      //
	Inode        uint64      //
	SpecialMajor uint32      // of the device it is, if it is one
	SpecialMinor uint32      //
	Path         string      // "/memfd:sessions (deleted)", "socket:[4711]", …
	Flags        uint32      // O_* of fcntl(2), F_GETFL
}

// Store lists the file descriptor store of a service. The error has [ErrNoDump]
// before systemd 254, [ErrStoreDisabled], or [ErrDenied].
func (c *Conn) Store(ctx context.Context, service string) ([]StoreEntry, error) {
	if err := checkUnitName(service); err != nil {
		return nil, c.failed("Store", service, err)
	}
	var raw []struct {
		Name                       string
		Mode, Major, Minor         uint32
		Inode                      uint64
		SpecialMajor, SpecialMinor uint32
		Path                       string
		Flags                      uint32
	}
	err := c.bus.Object(busName, busPath).CallWithContext(ctx, managerBus+".DumpUnitFileDescriptorStore", 0, service).Store(&raw)
	var failure dbus.Error
	if errors.As(err, &failure) {
		known := map[string]error{
			"org.freedesktop.DBus.Error.UnknownMethod":             ErrNoDump,
			"org.freedesktop.DBus.Error.AccessDenied":              ErrDenied,
			"org.freedesktop.systemd1.FileDescriptorStoreDisabled": ErrStoreDisabled,
		}
		if k, ok := known[failure.Name]; ok {
			err = fmt.Errorf("%w (%w)", k, err)
		}
	}
	if err != nil {
		return nil, c.failed("Store", service, err)
	}
	entries := make([]StoreEntry, 0, len(raw))
	for _, e := range raw {
		entries = append(entries, StoreEntry{
			Name: e.Name, Mode: fileMode(e.Mode),
			DeviceMajor: e.Major, DeviceMinor: e.Minor, Inode: e.Inode,
			SpecialMajor: e.SpecialMajor, SpecialMinor: e.SpecialMinor,
			Path: e.Path, Flags: e.Flags,
		})
	}
	return entries, nil
}

// fileMode turns st_mode of inode(7) into Go's.
func fileMode(mode uint32) fs.FileMode {
	m := fs.FileMode(mode & 0o777)
	switch mode & 0o170000 {
	case 0o140000:
		m |= fs.ModeSocket
	case 0o120000:
		m |= fs.ModeSymlink
	case 0o060000:
		m |= fs.ModeDevice
	case 0o040000:
		m |= fs.ModeDir
	case 0o020000:
		m |= fs.ModeDevice | fs.ModeCharDevice
	case 0o010000:
		m |= fs.ModeNamedPipe
	case 0: // an eventfd, a pidfd and their like are of no type
		m |= fs.ModeIrregular
	}
	return m
}
