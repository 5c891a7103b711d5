package fdstore

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/instar-project/instar/internal/sdstore"
	"github.com/instar-project/instar/internal/testkit"

	"golang.org/x/sys/unix"
)

const (
	queuesVariable = "FDSTORE_TEST_QUEUES" // how many, from descriptor 3 on
	itemsVariable  = "FDSTORE_TEST_ITEMS"  // how many to recover before the end
)

// inherited opens the bundle that the test passed.
func inherited() (*Bundle, error) {
	n, err := strconv.Atoi(os.Getenv(queuesVariable))
	if err != nil {
		return nil, err
	}
	var p parts
	for fd := 3; fd < 3+n; fd++ {
		if err := p.adopt(fd); err != nil {
			return nil, err
		}
	}
	return openBundle("test", p, alone(), func() (*queue, error) { return nil, errors.New("no more queues") })
}

// helper is a command that runs a helper on the queues.
func helper(t testing.TB, name string, held []int, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), helperVariable+"="+name, fmt.Sprintf("%s=%d", queuesVariable, len(held)))
	cmd.Env = append(cmd.Env, env...)
	cmd.Stderr = os.Stderr
	for _, fd := range held {
		f := os.NewFile(uintptr(must(sdstore.Duplicate(fd))), "queue")
		t.Cleanup(func() { f.Close() })
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	}
	return cmd
}

// helpRecover recovers some items and dies, with kill -9.
func helpRecover() error {
	b, err := inherited()
	if err != nil {
		return err
	}
	left, err := strconv.Atoi(os.Getenv(itemsVariable))
	if err != nil {
		return err
	}
	for _, err := range b.Recover() {
		if left == 0 {
			break
		}
		if err != nil {
			return err
		}
		left--
	}
	return unix.Kill(os.Getpid(), unix.SIGKILL)
}

// A reader that is killed half-way, at every half-way, loses nothing.
func TestReaderKilled(t *testing.T) {
	testkit.CheckLeaks(t)
	var held []int
	closeHeld(t, &held)
	b := bundleOf(t, &held, 0)
	want := make(model)
	for i := range 800 {
		want.add(t, b, i, "label")
		if i%5 == 0 {
			id := want.any()
			if err := b.Remove(id); err != nil {
				t.Fatal(err)
			}
			delete(want, id)
		}
	}
	b.Close()
	for items := 0; items <= len(want); items += 19 {
		cmd := helper(t, "recover", held, fmt.Sprintf("%s=%d", itemsVariable, items))
		var exit *exec.ExitError
		if err := cmd.Run(); !errors.As(err, &exit) || exit.ExitCode() != -1 {
			t.Fatalf("the reader was not killed: %v", err)
		}
		b := bundleOf(t, &held, 0)
		check(t, b, want, fmt.Sprintf("killed after %d", items))
		b.Close()
	}
}

// helpChurn adds and removes, and says so after each, until it is killed.
func helpChurn() error {
	b, err := inherited()
	if err != nil {
		return err
	}
	var ids []ID
	for item, err := range b.Recover() {
		if err != nil {
			return err
		}
		ids = append(ids, item.ID)
		unix.Close(item.FD)
	}
	var kept []*os.File // or the garbage collector closes them
	for file := 0; ; file++ {
		if len(kept) > 500 {
			for _, conn := range kept {
				conn.Close()
			}
			kept = nil
		}
		if rand.IntN(2) == 0 && len(ids) > 0 {
			i := rand.IntN(len(ids))
			if err := b.Remove(ids[i]); err != nil {
				return err
			}
			fmt.Println("-", ids[i], 0)
			ids[i] = ids[len(ids)-1]
			ids = ids[:len(ids)-1]
			continue
		}
		fd, err := unix.MemfdCreate("identity", unix.MFD_CLOEXEC)
		if err != nil {
			return err
		}
		if err := unix.Ftruncate(fd, int64(file)); err != nil {
			return err
		}
		// Every other one lends its descriptor; some of those are closed at once.
		conn := os.NewFile(uintptr(fd), "conn")
		var id ID
		if label := strconv.AppendInt(nil, int64(file), 10); file%2 == 0 {
			id, err = b.AddConn(conn, label)
		} else {
			id, err = b.Add(fd, label)
		}
		if err != nil {
			return err
		}
		if file%4 != 0 {
			conn.Close()
		} else {
			kept = append(kept, conn)
		}
		fmt.Println("+", id, file)
		ids = append(ids, id)
	}
}

// A writer that is killed at any time loses nothing that it has said is in the
// bundle, and nothing comes back that it has said is not.
func TestWriterKilled(t *testing.T) {
	testkit.CheckLeaks(t)
	var held []int
	closeHeld(t, &held)
	bundleOf(t, &held, 0).Close()
	want := make(model)
	for round := range 25 {
		cmd := helper(t, "churn", held)
		killAfter(t, cmd, rand.IntN(3000), func(line string) {
			var sign string
			var id ID
			var file int
			if _, err := fmt.Sscan(line, &sign, &id, &file); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			if sign == "-" {
				delete(want, id)
			} else {
				want[id] = parked{file, strconv.Itoa(file)}
			}
		})
		b := bundleOf(t, &held, 0)
		got := recovered(t, b)
		b.Close()
		// The last thing it did may be unsaid: one more or one less.
		unsaid := 0
		for id, p := range want {
			if found, ok := got[id]; !ok {
				unsaid++
			} else if found != p {
				t.Fatalf("round %d: %d is %v, want %v", round, id, found, p)
			}
		}
		for id := range got {
			if _, ok := want[id]; !ok {
				unsaid++
			}
		}
		if unsaid > 1 {
			t.Fatalf("round %d: %d of %d differ", round, unsaid, len(want))
		}
		want = got
	}
}
