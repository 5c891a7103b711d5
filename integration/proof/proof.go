// Package proof is the common part of the proofs: a stage to play on, messages for a
// waiting user, and the report.
//
// A report goes to standard output: tables for people, then the problems, then one JSON
// object in the last line. All else goes to standard error. A proof has failed, and exits
// with status 1, if its report has problems or something could not be run. It could not be
// run if this host boots no machines, or the image of that systemd cannot be had: a proof
// that was not run shows nothing.
package proof

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/instar-project/instar/integration/machine"
	"github.com/instar-project/instar/integration/stage"
)

// Say tells a waiting user why it takes so long.
func Say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// NotRun reports whether err is why something could not be run here.
func NotRun(err error) bool {
	return errors.Is(err, machine.ErrUnavailable) || errors.Is(err, machine.ErrUnsupported)
}

// On plays on a machine of that version, which is removed afterwards.
func On(ctx context.Context, v machine.Version, b *stage.Builder, play func(context.Context, *stage.Stage) error) (err error) {
	Say("booting systemd %s (the first time its image is built, which takes a minute)", v)
	s, err := stage.Open(ctx, v, b)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return play(ctx, s)
}

// Run is a proof, once its flags are parsed. An error says that it has failed.
type Run func(context.Context, *stage.Builder) error
