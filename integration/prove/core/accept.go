package core

import "context"

func acceptFigures() []figure {
	return []figure{{name: "accept", unit: "µs", target: target{ratio: 1.02}}}
}

// measureAccept has the probe accept on this host, on a socket that it was
// handed.
func measureAccept(ctx context.Context, b *bench, into []figure) error {
	cmd, _, done, err := handOut(ctx, b.probe, []string{"accept"}, []string{"tracked"})
	if err != nil {
		return err
	}
	defer done()
	samples, err := probe(cmd)
	if err != nil {
		return err
	}
	into[0].pairs, err = samples.pairs("accept", microsecond)
	into[0].note = "connect, accept and close of a TCP connection on loopback that waits in the backlog"
	return err
}
