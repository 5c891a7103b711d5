package fdstore

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/instar-project/instar/internal/memfile"
	"github.com/instar-project/instar/internal/sdstore"
	"github.com/instar-project/instar/internal/sdstore/storetest"
	"github.com/instar-project/instar/internal/testkit"
)

func journalRecords(t testing.TB, j *Journal) []string {
	t.Helper()
	all := []string{}
	for record, err := range j.Records() {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(record))
	}
	return all
}

func snapshot(t testing.TB, j *Journal) string {
	t.Helper()
	b, err := io.ReadAll(j.Snapshot())
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestJournal(t *testing.T) {
	testkit.CheckLeaks(t)
	m := storetest.Start(t, 3)
	s := nextGeneration(t, m)
	j, err := s.Journal(background(), "log", JournalConfig{Schema: 2})
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for i := range 1000 {
		record := strings.Repeat("x", i%97*(i%11)) + strconv.Itoa(i)
		if i == 500 {
			record = ""
		}
		if err := j.Append([]byte(record)); err != nil {
			t.Fatal(err)
		}
		want = append(want, record)
	}
	if got := journalRecords(t, j); !slices.Equal(got, want) {
		t.Error("records differ in the same process")
	}
	if _, err := s.Journal(background(), "log", JournalConfig{}); err == nil {
		t.Error("a journal was opened twice")
	}
	// Not closed: the process died.
	s = nextGeneration(t, m)
	j, err = s.Journal(background(), "log", JournalConfig{Schema: 2})
	if err != nil {
		t.Fatal(err)
	}
	if got := journalRecords(t, j); !slices.Equal(got, want) || j.Torn() != 0 {
		t.Errorf("records differ in the next process, %d bytes torn", j.Torn())
	}
	if _, err := s.ReadJournal("log", 1); !errors.Is(err, ErrNewer) {
		t.Errorf("newer schema: %v", err)
	}
	s.whole.Stop()
	if err := j.Append(nil); !errors.Is(err, ErrStopped) {
		t.Errorf("append after Stop: %v", err)
	}
}

func TestJournalRotation(t *testing.T) {
	testkit.CheckLeaks(t)
	m := storetest.Start(t, 2)
	s := nextGeneration(t, m)
	config := JournalConfig{Schema: 1, MaxSize: 400}
	j, err := s.Journal(background(), "log", config)
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for !j.NeedsRotation() {
		if err := j.Append([]byte("one more")); err != nil {
			t.Fatal(err)
		}
		count++
	}
	for err == nil {
		if err = j.Append([]byte("one more")); err == nil {
			count++
		}
	}
	if !errors.Is(err, errJournalFull) || j.Size() > config.MaxSize {
		t.Fatalf("%v, size %d", err, j.Size())
	}
	if err := j.Append(make([]byte, 400)); !errors.Is(err, errJournalFull) {
		t.Error(err)
	}
	// The predecessor's view of the file that is rotated away under it.
	other, err := nextGeneration(t, m).Journal(background(), "log", JournalConfig{Schema: 1})
	if err != nil {
		t.Fatal(err)
	}
	state := func(w io.Writer) error { _, err := fmt.Fprintf(w, "count=%d", count); return err }
	failing := errors.New("no state today")
	if err := j.Rotate(background(), func(io.Writer) error { return failing }); !errors.Is(err, failing) {
		t.Error(err)
	}
	if err := j.Rotate(background(), func(w io.Writer) error { _, err := w.Write(make([]byte, 500)); return err }); !errors.Is(err, errJournalFull) {
		t.Error(err)
	}
	if got := journalRecords(t, j); len(got) != count {
		t.Errorf("after failed rotations there are %d records of %d", len(got), count)
	}
	if err := j.Rotate(background(), state); err != nil {
		t.Fatal(err)
	}
	if err := other.Append(nil); !errors.Is(err, ErrStopped) {
		t.Errorf("append to a rotated journal: %v", err)
	}
	if err := j.Append([]byte("after")); err != nil {
		t.Fatal(err)
	}
	if got := m.Names(); !slices.Equal(got, []string{"instar.journal.log.2"}) {
		t.Errorf("the store has %q", got)
	}
	j, err = nextGeneration(t, m).Journal(background(), "log", config)
	if err != nil {
		t.Fatal(err)
	}
	if got := snapshot(t, j); got != fmt.Sprintf("count=%d", count) {
		t.Errorf("snapshot %q", got)
	}
	if got := journalRecords(t, j); !slices.Equal(got, []string{"after"}) {
		t.Errorf("records %q", got)
	}
}

// A rotation that systemd does not confirm leaves the old journal, which goes on.
func TestJournalRotationUnconfirmed(t *testing.T) {
	testkit.CheckLeaks(t)
	m := storetest.Start(t, 4)
	s := nextGeneration(t, m)
	j, err := s.Journal(background(), "log", JournalConfig{})
	if err != nil {
		t.Fatal(err)
	}
	m.HoldBarriers()
	err = j.Rotate(soon(t), func(w io.Writer) error { return nil })
	if !errors.Is(err, ErrUnconfirmed) {
		t.Fatal(err)
	}
	if err := j.Append([]byte("still here")); err != nil {
		t.Fatal(err)
	}
	if err := j.Append([]byte("and here")); err != nil {
		t.Fatal(err)
	}
	m.ReleaseBarriers()
	// systemd may never read that the new one is to be removed again.
	void := rawMemfd(t, nil)
	m.Insert("instar.journal.log.9", void)
	unix.Close(void)
	s = nextGeneration(t, m)
	if err := s.whole.Tidy(background()); err != nil {
		t.Fatal(err)
	}
	if got := m.Names(); !slices.Equal(got, []string{"instar.journal.log.1"}) {
		t.Errorf("the store has %q", got)
	}
	next, err := s.Journal(background(), "log", JournalConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if got := journalRecords(t, next); !slices.Equal(got, []string{"still here", "and here"}) {
		t.Errorf("records %q", got)
	}
}

// Cut at every byte: whole records are read, and the journal goes on after them.
func TestJournalTorn(t *testing.T) {
	testkit.CheckLeaks(t)
	r, err := createJournal("test", JournalConfig{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	j, err := openForAppend(r, JournalConfig{})
	if err != nil {
		t.Fatal(err)
	}
	ends := []int64{j.Size()}
	for _, record := range []string{"first", "", "third, and the last"} {
		if err := j.Append([]byte(record)); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, j.Size())
	}
	whole := contents(t, int(r.file))
	j.Close()
	for cut := ends[0]; cut <= int64(len(whole)); cut++ {
		r, err := openJournal(memfile.File(rawMemfd(t, whole[:cut])), "test", 0)
		if err != nil {
			t.Fatal(cut, err)
		}
		j, err := openForAppend(r, JournalConfig{})
		if err != nil {
			t.Fatal(cut, err)
		}
		last := 0
		for last+1 < len(ends) && ends[last+1] <= cut {
			last++
		}
		if j.Torn() != cut-ends[last] {
			t.Errorf("cut at %d: torn %d", cut, j.Torn())
		}
		if got := len(journalRecords(t, j)); got != last {
			t.Errorf("cut at %d: %d records", cut, got)
		}
		j.Close()
	}
	for flip := ends[0]; flip < int64(len(whole)); flip++ {
		b := bytes.Clone(whole)
		b[flip] ^= 0x10
		r, err := openJournal(memfile.File(rawMemfd(t, b)), "test", 0)
		if err != nil {
			t.Fatal(flip, err)
		}
		before := contents(t, int(r.file))
		keep, _ := sdstore.Duplicate(int(r.file))
		if _, err := openForAppend(r, JournalConfig{}); !errors.Is(err, ErrCorrupt) {
			t.Errorf("flipped at %d: %v", flip, err)
		}
		if !bytes.Equal(contents(t, keep), before) {
			t.Errorf("flipped at %d: opening has changed it", flip)
		}
		unix.Close(keep)
	}
}

// helpAppend appends numbers to descriptor 3 and says so, until it is killed.
func helpAppend() error {
	r, err := openJournal(3, "test", 0)
	if err != nil {
		return err
	}
	j, err := openForAppend(r, JournalConfig{})
	if err != nil {
		return err
	}
	n := 0
	for range j.Records() {
		n++
	}
	for ; ; n++ {
		// Large, so that the kill strikes within a write now and then.
		record := append(strconv.AppendInt(nil, int64(n), 10), bytes.Repeat([]byte{' '}, rand.IntN(20000))...)
		if err := j.Append(record); err != nil {
			return err
		}
		fmt.Println(n)
	}
}

func TestJournalKilled(t *testing.T) {
	testkit.CheckLeaks(t)
	r, err := createJournal("test", JournalConfig{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.file.Close()
	acknowledged := -1
	for range 20 {
		dup, err := sdstore.Duplicate(int(r.file))
		if err != nil {
			t.Fatal(err)
		}
		f := os.NewFile(uintptr(dup), "journal")
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), helperVariable+"=append")
		cmd.ExtraFiles = []*os.File{f}
		killAfter(t, cmd, 1+rand.IntN(60), func(line string) {
			n, err := strconv.Atoi(line)
			if err != nil || n != acknowledged+1 {
				t.Fatalf("acknowledged %q after %d", line, acknowledged)
			}
			acknowledged = n
		})
		f.Close()
		n := 0
		for record, err := range r.records() {
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.TrimRight(string(record), " "); got != strconv.Itoa(n) {
				t.Fatalf("record %d is %q", n, got)
			}
			n++
		}
		if n <= acknowledged {
			t.Fatalf("%d records, acknowledged %d", n, acknowledged+1)
		}
		acknowledged = n - 1 // the last may be there and not have been said
	}
}

// killAfter kills the command after some lines of output, and calls see with all
// that it wrote until then.
func killAfter(t testing.TB, cmd *exec.Cmd, lines int, see func(line string)) {
	t.Helper()
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	scanner := bufio.NewScanner(out)
	for i := 0; scanner.Scan(); i++ {
		see(scanner.Text())
		if i == lines {
			cmd.Process.Kill()
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != -1 {
		t.Fatalf("it was not killed: %v", err)
	}
}

func FuzzRecords(f *testing.F) {
	f.Add(memfile.AppendRecord(memfile.AppendRecord(nil, []byte("one")), nil))
	f.Add(memfile.AppendRecord(nil, []byte("one"))[:14])
	f.Fuzz(func(t *testing.T, content []byte) {
		scanner := memfile.NewScanner(bytes.NewReader(content), int64(len(content)))
		var again []byte
		for {
			record, err := scanner.Next()
			if err != nil {
				break
			}
			again = memfile.AppendRecord(again, record)
		}
		if !bytes.HasPrefix(content, again) || int64(len(again)) != scanner.End {
			t.Errorf("read as %q up to %d", again, scanner.End)
		}
	})
}
