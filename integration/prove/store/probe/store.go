package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/instar-project/instar/internal/memfile"
	"github.com/instar-project/instar/notify"
)

var storing = map[string]command{
	"put":       {1, (*probe).put},
	"save":      {3, (*probe).save},
	"load":      {2, (*probe).load},
	"damage":    {2, (*probe).damage},
	"future":    {0, (*probe).future},
	"leftovers": {0, (*probe).leftovers},
	"discard":   {1, (*probe).discard},
	"used":      {0, (*probe).used},
	"die":       {0, (*probe).die},
}

func (p *probe) put(ctx context.Context, args []string) (string, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	return "", p.store.Put(ctx, args[0], fd)
}

func (p *probe) save(ctx context.Context, args []string) (string, error) {
	schema, err := strconv.ParseUint(args[1], 10, 32)
	if err != nil {
		return "", err
	}
	return "", p.store.WriteBlob(ctx, args[0], uint32(schema), func(w io.Writer) error {
		_, err := io.WriteString(w, args[2])
		return err
	})
}

func (p *probe) load(_ context.Context, args []string) (string, error) {
	schema, err := strconv.ParseUint(args[1], 10, 32)
	if err != nil {
		return "", err
	}
	b, err := p.store.Blob(args[0], uint32(schema))
	if err != nil {
		return "", err
	}
	defer b.Close()
	value, err := io.ReadAll(b)
	return string(value), err
}

// damage goes around the library, which would not write such a blob.
func (p *probe) damage(ctx context.Context, args []string) (string, error) {
	w, err := memfile.NewWriter("damaged", 1)
	if err != nil {
		return "", err
	}
	if _, err := io.WriteString(w, args[1]); err != nil {
		return "", err
	}
	good, err := w.Blob()
	if err != nil {
		return "", err
	}
	defer good.Close()
	bytes, err := os.ReadFile(fmt.Sprintf("/proc/self/fd/%d", good))
	if err != nil {
		return "", err
	}
	bytes[len(bytes)-1] ^= 1
	fd, err := unix.MemfdCreate("damaged", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, bytes); err != nil {
		return "", err
	}
	return "", p.slip(ctx, "instar.blob."+args[0]+".1", fd)
}

func (p *probe) future(ctx context.Context, _ []string) (string, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	return "", p.slip(ctx, "instar.hologram.mine.1", fd)
}

// slip stores a descriptor that the library does not know of before the next start.
func (p *probe) slip(ctx context.Context, fdName string, fd int) error {
	if err := p.notifier.Send(notify.FDStoreNoPoll(fdName, fd)); err != nil {
		return err
	}
	return p.notifier.Barrier(ctx)
}

func (p *probe) leftovers(context.Context, []string) (string, error) {
	var names []string
	for _, info := range p.whole.Leftovers() {
		names = append(names, info.FDName)
	}
	return strings.Join(names, " "), nil
}

func (p *probe) discard(ctx context.Context, args []string) (string, error) {
	return "", p.whole.Discard(ctx, args...)
}

func (p *probe) used(context.Context, []string) (string, error) {
	used, max := p.whole.Used()
	return fmt.Sprintf("%d of %d", used, max), nil
}

func (p *probe) die(context.Context, []string) (string, error) {
	return "", unix.Kill(os.Getpid(), unix.SIGKILL)
}
