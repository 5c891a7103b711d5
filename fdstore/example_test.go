package fdstore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"

	"github.com/instar-project/instar/fdstore"
	"github.com/instar-project/instar/fdstore/storetest"
)

func ExampleSave() {
	save := func(ctx context.Context, store *fdstore.Store) error {
		sessions, _, err := fdstore.Load[map[string]string](store, "sessions", 1)
		if errors.Is(err, fdstore.ErrNotFound) {
			sessions, err = make(map[string]string), nil // the first start
		}
		if err != nil {
			return err
		}
		sessions["ada"] = "room 1"
		return fdstore.Save(ctx, store, "sessions", 1, sessions)
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

// A Keeper's test needs no systemd.
func TestStoretest(t *testing.T) {
	service := storetest.New(t, 3)
	store := service.Process("visits")
	if err := fdstore.Save(t.Context(), store, "count", 1, 7); err != nil {
		t.Fatal(err)
	}
	next := service.Process("visits")
	if n, _, err := fdstore.Load[int](next, "count", 1); n != 7 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if err := fdstore.Save(t.Context(), store, "count", 1, 8); !errors.Is(err, fdstore.ErrStopped) {
		t.Errorf("the process before goes on: %v", err)
	}
	if got := service.Entries(); len(got) != 1 || got[0] != "instar.blob.visits/count.1" {
		t.Errorf("entries %q", got)
	}
}
