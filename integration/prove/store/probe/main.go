// Probe is a service that takes commands for its store, a line at a time, on the
// socket "control":
//
//	accept N                takes N connections on the socket "connections"
//	bundle ROUNDS           parks them in a bundle, so many times, and says how long it took
//	plain                   parks them as plain entries
//	recover ROUNDS          takes back the parked connections, and tells each one its label
//	half N                  recovers N connections, and dies of SIGKILL
//	rates                   journal and bundle against the bare system calls
//	put NAME                stores a descriptor
//	save NAME SCHEMA VALUE  stores a blob
//	load NAME SCHEMA        reads it
//	damage NAME VALUE       stores a blob with a flipped bit
//	future                  stores an entry of a kind that does not exist yet
//	leftovers               lists the unclaimed entries
//	discard FDNAME          removes such an entry
//	used                    entries in the store, and how many there may be
//	die                     of SIGKILL
//
// It answers "ok" or "error", and a text; numbers as JSON. It obeys any client that
// reaches the socket: it is for throw-away machines.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/instar-project/instar/activation"
	"github.com/instar-project/instar/fdstore"
	"github.com/instar-project/instar/internal/sdstore"
	"github.com/instar-project/instar/notify"
)

// probe is the state that the commands work on.
type probe struct {
	notifier    *notify.Notifier
	whole       *sdstore.Store
	store       *fdstore.Store // of the Keeper without a name
	connections net.Listener

	taking   time.Duration // the duration of activation.Take
	plain    []activation.Entry
	accepted []net.Conn
	labels   [][]byte // of accepted
}

func main() {
	fmt.Fprintln(os.Stderr, "probe:", run())
	os.Exit(1)
}

// run serves until something fails, or somebody ends the process.
func run() error {
	notifier, err := notify.Take()
	if err != nil {
		return err
	}
	begin := time.Now()
	set, err := activation.Take()
	if err != nil {
		return err
	}
	p := &probe{notifier: notifier, taking: time.Since(begin)}
	p.plain = set.Claim(func(name string) bool { return name == plainName })
	max, err := sdstore.Quota()
	if err != nil {
		return err
	}
	p.whole, err = sdstore.Open(sdstore.Config{
		Entries: set.Claim(sdstore.Reserved), Notifier: notifier, Max: max, Others: len(p.plain), Sockets: set.Names(),
	})
	if err != nil {
		return err
	}
	p.store = (*fdstore.Store)(p.whole.Share(""))
	if p.connections, err = set.Listener("connections"); err != nil {
		return err
	}
	control, err := set.Listener("control")
	if err != nil {
		return err
	}
	if err := notifier.Send(notify.Ready); err != nil {
		return err
	}
	for {
		c, err := control.Accept()
		if err != nil {
			return err
		}
		p.serve(c)
	}
}

// serve does one thing.
func (p *probe) serve(c net.Conn) {
	defer c.Close()
	input, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return
	}
	answer, err := p.do(strings.Fields(input))
	if err != nil {
		fmt.Fprintln(c, "error", strings.ReplaceAll(err.Error(), "\n", " "))
		return
	}
	fmt.Fprintln(c, "ok", answer)
}

var errCommand = errors.New("no such command")

func (p *probe) do(words []string) (string, error) {
	if len(words) == 0 {
		return "", errCommand
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, table := range []map[string]command{parking, storing} {
		if do, ok := table[words[0]]; ok {
			if len(words)-1 != do.args {
				return "", fmt.Errorf("%s takes %d arguments", words[0], do.args)
			}
			return do.run(p, ctx, words[1:])
		}
	}
	return "", errCommand
}

// patience is for a systemd that compares thousands of plain entries.
const patience = 2 * time.Minute

// command is something to do, and how many arguments it takes.
type command struct {
	args int
	run  func(p *probe, ctx context.Context, args []string) (string, error)
}
