package fdstore

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
)

// Save replaces the blob of that name with v as JSON, as [Store.WriteBlob] does.
func Save[T any](ctx context.Context, s *Store, name string, schema uint32, v T) error {
	return s.WriteBlob(ctx, name, schema, func(w io.Writer) error {
		if err := json.NewEncoder(w).Encode(v); err != nil {
			return fmt.Errorf("encode %T: %w", v, err)
		}
		return nil
	})
}

// Load reads a value that [Save] wrote, and the schema it was written with: lower than
// schema if an older program wrote it, and then the caller fills in the rest. It fails as [Store.Blob] does.
func Load[T any](s *Store, name string, schema uint32) (v T, found uint32, err error) {
	b, err := s.Blob(name, schema)
	if err != nil {
		return v, 0, err
	}
	defer b.Close()
	if err := json.NewDecoder(b).Decode(&v); err != nil {
		var zero T
		return zero, b.Schema(), fmt.Errorf("fdstore: load %q: decode %T of schema %d: %w", name, v, b.Schema(), err)
	}
	return v, b.Schema(), nil
}
