package machine

import (
	"io"
	"regexp"
	"sync"
)

// console keeps the end of a machine's console output, to be shown when the machine
// does not come up, and passes it on.
type console struct {
	also io.Writer // may be nil

	mu   sync.Mutex
	text []byte
}

const consoleKept = 16 << 10

func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	c.text = append(c.text, p...)
	if over := len(c.text) - consoleKept; over > 0 {
		c.text = append(c.text[:0], c.text[over:]...)
	}
	c.mu.Unlock()
	if c.also != nil {
		return c.also.Write(p)
	}
	return len(p), nil
}

// escapes are the control sequences systemd colours its console with.
var escapes = regexp.MustCompile("\x1b\\[[0-9;?]*[A-Za-z]|\r|\x1b[A-Z]")

func (c *console) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(escapes.ReplaceAll(c.text, nil))
}
