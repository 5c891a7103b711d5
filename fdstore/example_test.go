package fdstore_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"testing"

	"github.com/instar-project/instar/activation"
	"github.com/instar-project/instar/fdstore"
	"github.com/instar-project/instar/notify"
)

// open is how a service opens its store.
func open(set *activation.Set, notifier *notify.Notifier) (*fdstore.Store, error) {
	max, err := fdstore.Quota()
	if err != nil {
		return nil, err
	}
	return fdstore.Open(fdstore.Config{
		Entries:  set.Claim(fdstore.Reserved),
		Notifier: notifier,
		Max:      max,
		Sockets:  set.Names(),
	})
}

func ExampleSave() {
	save := func(ctx context.Context, store *fdstore.Store) error {
		key := fdstore.Key{Name: "sessions", Schema: 1}
		sessions, _, err := fdstore.Load[map[string]string](store, key)
		if err != nil {
			return err
		}
		sessions["ada"] = "room 1"
		return fdstore.Save(ctx, store, key, sessions)
	}
	_ = save
}

func ExampleJournal() {
	count := func(ctx context.Context, store *fdstore.Store) error {
		j, err := store.Journal(ctx, "visits", fdstore.JournalConfig{Schema: 1})
		if err != nil {
			return err
		}
		defer j.Close()
		var visits int
		if j.Snapshot().Size() > 0 {
			if _, err := fmt.Fscan(j.Snapshot(), &visits); err != nil {
				return err
			}
		}
		for _, err := range j.Records() {
			if err != nil {
				return err
			}
			visits++
		}
		if err := j.Append([]byte("one more")); err != nil {
			return err
		}
		if j.NeedsRotation() {
			return j.Rotate(ctx, func(w io.Writer) error {
				_, err := fmt.Fprint(w, visits+1)
				return err
			})
		}
		return nil
	}
	_ = count
}

func ExampleBundle() {
	recover := func(ctx context.Context, store *fdstore.Store, serve func(fdstore.ID, net.Conn)) error {
		connections, err := store.Bundle(ctx, "connections")
		if err != nil {
			return err
		}
		for item, err := range connections.Recover() {
			if err != nil {
				return err
			}
			f := os.NewFile(uintptr(item.FD), string(item.Label))
			conn, err := net.FileConn(f)
			f.Close()
			if err != nil {
				return err
			}
			go serve(item.ID, conn)
		}
		return nil
	}
	_ = recover
}

// Not run by systemd, the same program works, and what it stores is refused.
func TestOpenWithoutSystemd(t *testing.T) {
	t.Setenv("FDSTORE", "")
	os.Unsetenv("FDSTORE")
	set, err := activation.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	store, err := open(set, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if used, max := store.Used(); used != 0 || max != 0 {
		t.Errorf("used %d of %d", used, max)
	}
}
