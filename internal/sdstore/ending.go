package sdstore

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/instar-project/instar/internal/memfile"
)

// Ending is how the last main process ended, as far as it said so. It is in the store as
// well, in a blob that is no Keeper's.
type Ending struct {
	// Stopped: it was told to stop, and its Keepers have parked.
	Stopped bool `json:"stopped"`
}

var endingKey = Key{Kind: Blob, Name: "instar"}

const endingSchema = 1

// SaveEnding replaces the ending in the store.
func (s *Store) SaveEnding(ctx context.Context, e Ending) error {
	payload, err := json.Marshal(e)
	if err != nil {
		return err
	}
	w, err := memfile.NewWriter(endingKey.Name, endingSchema)
	if err != nil {
		return err
	}
	defer w.Abort()
	if _, err := w.Write(payload); err != nil {
		return err
	}
	file, err := w.Blob()
	if err != nil {
		return err
	}
	defer file.Close()
	s.change.Lock()
	defer s.change.Unlock()
	return s.store(ctx, "write", endingKey, NotPolled, int(file))
}

// Ending returns the ending in the store.
func (s *Store) Ending() (e Ending, err error) {
	fd, err := s.get("open", endingKey)
	if err != nil {
		return e, err
	}
	file := memfile.File(fd)
	defer file.Close()
	h, err := memfile.OpenBlob(file, endingKey.Name, endingSchema)
	if err == nil {
		err = json.NewDecoder(h.Payload(file)).Decode(&e)
	}
	if err != nil {
		return Ending{}, fmt.Errorf("sdstore: how the last process ended: %w", err)
	}
	return e, nil
}
