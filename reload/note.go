package reload

import (
	"fmt"
	"sync"

	"github.com/instar-project/instar/internal/handover"
)

// note is a text about how systemd has started the service, which generations pass on.
type note struct {
	mu   sync.Mutex
	text string
}

func (n *note) get() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text
}

func (n *note) set(text string) error {
	if len(text) > handover.MaxStartedWith {
		return fmt.Errorf("reload: SetStartedWith: %d bytes are too many, %d is the most", len(text), handover.MaxStartedWith)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.text = text
	return nil
}
