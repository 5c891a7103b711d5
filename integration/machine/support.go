package machine

import (
	"fmt"
	"os"
	"os/exec"
)

// supported checks that this process may run machines and that the tools it
// needs are there. The error has ErrUnsupported.
func supported(tools ...string) error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("machine: %w: it takes root", ErrUnsupported)
	}
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("machine: %w: %w; run scripts/install-tools", ErrUnsupported, err)
		}
	}
	return nil
}
