package core

import (
	"context"
	"os"
)

const megabyte = 1e6

func sizeFigures() []figure {
	return []figure{{name: "binary_size", unit: "MB", target: target{more: 1.5}}}
}

// measureSize compares the files.
func measureSize(_ context.Context, b *bench, into []figure) error {
	ours, err := os.Stat(b.web)
	if err != nil {
		return err
	}
	bare, err := os.Stat(b.plainweb)
	if err != nil {
		return err
	}
	into[0].pairs = []pair{{float64(ours.Size()) / megabyte, float64(bare.Size()) / megabyte}}
	into[0].note = `examples/web and plainweb, CGO_ENABLED=0, -trimpath -ldflags "-s -w"`
	return nil
}
