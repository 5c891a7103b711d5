package demo

import (
	"context"

	"github.com/instar-project/instar/integration/stage"
)

// binaries are the builds of both services.
type binaries struct{ *stage.Builder }

// of is where a build of a service lies; it is made if it is not there yet.
func (b binaries) of(ctx context.Context, service string, stamp build) (path string, err error) {
	if stamp == crashing {
		return b.Build(ctx, "integration/prove/demo/crashing")
	}
	return b.Build(ctx, "examples/"+service, "version="+string(stamp))
}

// compile makes every build of both services, so that no upgrade waits for one.
func (b binaries) compile(ctx context.Context, stamps ...build) error {
	for _, service := range []string{web, echo} {
		for _, stamp := range append(stamps, crashing) {
			if _, err := b.of(ctx, service, stamp); err != nil {
				return err
			}
		}
	}
	return nil
}
