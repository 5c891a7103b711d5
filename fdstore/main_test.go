package fdstore

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/instar-project/instar/activation"
	"github.com/instar-project/instar/internal/memfile"
	"github.com/instar-project/instar/internal/sdstore"
	"github.com/instar-project/instar/internal/sdstore/storetest"
	"github.com/instar-project/instar/notify"
)

// The test binary is also the process that dies: TestMain runs the helper that this
// variable names, if it is set.
const helperVariable = "FDSTORE_TEST_HELPER"

var helpers = map[string]func() error{
	"recover": helpRecover,
	"churn":   helpChurn,
	"append":  helpAppend,
	"limit":   helpLimit,

	"limit-of-two": helpLimitOfTwo,
}

func TestMain(m *testing.M) {
	if name := os.Getenv(helperVariable); name != "" {
		if err := helpers[name](); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// generation is the store as a process of the service has it.
type generation struct {
	*Store
	whole *sdstore.Store
}

// nextGeneration opens the store as a freshly started main process does.
func nextGeneration(t testing.TB, m *storetest.Manager, sockets ...string) generation {
	t.Helper()
	var entries []activation.Entry
	for _, e := range m.Pass() {
		entries = append(entries, activation.Entry{Name: e.Name, FD: e.FD})
	}
	n, err := notify.Dial(m.Address())
	if err != nil {
		t.Fatal(err)
	}
	whole, err := sdstore.Open(sdstore.Config{Entries: entries, Notifier: n, Max: m.Max(), Sockets: sockets})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { whole.Close(); n.Close() })
	return generation{(*Store)(whole.Share("")), whole}
}

// rawMemfd makes an unsealed memory file of any content.
func rawMemfd(t testing.TB, content []byte) int {
	t.Helper()
	file, err := memfile.New("raw")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteAt(content, 0); err != nil {
		t.Fatal(err)
	}
	return int(file)
}

func contents(t testing.TB, fd int) []byte {
	t.Helper()
	size, err := memfile.File(fd).Size()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, size)
	if _, err := memfile.File(fd).ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	return b
}

func writeBlob(t testing.TB, payload string) int {
	t.Helper()
	w, err := memfile.NewWriter("test", 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, payload); err != nil {
		t.Fatal(err)
	}
	file, err := w.Blob()
	if err != nil {
		t.Fatal(err)
	}
	return int(file)
}

// alone is the gauge of a bundle beside which there is no other.
func alone() *sdstore.Gauge { return sdstore.NewGauge(new(atomic.Int64)) }

// file makes a descriptor of its own.
func file(t testing.TB) int {
	t.Helper()
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// identify makes a memfd with a size of its own, by which it can be recognised
// later.
func identify(t testing.TB, n int) int {
	t.Helper()
	fd, err := unix.MemfdCreate("identity", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Ftruncate(fd, int64(n)); err != nil {
		t.Fatal(err)
	}
	return fd
}

func identity(t testing.TB, fd int) int {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		t.Fatal(err)
	}
	return int(st.Size)
}

func background() context.Context { return context.Background() }
