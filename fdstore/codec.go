package fdstore

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
)

// Codec turns a value into bytes and back. Decode is given a pointer.
type Codec interface {
	Encode(w io.Writer, v any) error
	Decode(r io.Reader, v any) error
}

// JSON is encoding/json as a [Codec].
var JSON Codec = jsonCodec{}

type jsonCodec struct{}

func (jsonCodec) Encode(w io.Writer, v any) error { return json.NewEncoder(w).Encode(v) }
func (jsonCodec) Decode(r io.Reader, v any) error { return json.NewDecoder(r).Decode(v) }

// Key says where a value lies in the store and how it is written.
type Key struct {
	Name   string
	Schema uint32 // version of the value's type; count up when old programs could not read it
	Codec  Codec  // nil: JSON
}

func (k Key) codec() Codec {
	if k.Codec == nil {
		return JSON
	}
	return k.Codec
}

// Save replaces the blob of that name with v, as [Store.WriteBlob] does.
func Save[T any](ctx context.Context, s *Store, key Key, v T) error {
	return s.WriteBlob(ctx, key.Name, key.Schema, func(w io.Writer) error {
		if err := key.codec().Encode(w, v); err != nil {
			return fmt.Errorf("encode %T: %w", v, err)
		}
		return nil
	})
}

// Load reads what [Save] wrote, and the schema it was written with: lower than
// key.Schema if an older program wrote it, and then it is the caller who knows what
// has to be filled in. It fails as [Store.Blob] does.
func Load[T any](s *Store, key Key) (v T, schema uint32, err error) {
	b, err := s.Blob(key.Name, key.Schema)
	if err != nil {
		return v, 0, err
	}
	defer b.Close()
	if err := key.codec().Decode(b, &v); err != nil {
		var zero T
		return zero, b.Schema(), fmt.Errorf("fdstore: load %q: decode %T of schema %d: %w", key.Name, v, b.Schema(), err)
	}
	return v, b.Schema(), nil
}
