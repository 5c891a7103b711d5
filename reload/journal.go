package reload

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// journalSocket is where systemd-journald takes entries with fields, see
// https://systemd.io/JOURNAL_NATIVE_PROTOCOL.
const journalSocket = "/run/systemd/journal/socket"

// toJournal writes one entry. It reports false where stderr is not the
// journal's, or the journal does not answer: then a line on stderr has to do.
func toJournal(fields map[string]string) bool {
	if !stderrIsJournal() {
		return false
	}
	c, err := net.Dial("unixgram", journalSocket)
	if err != nil {
		return false
	}
	defer c.Close()
	// The service does not wait for a journal that is stuck.
	_ = c.SetWriteDeadline(time.Now().Add(time.Second))
	_, err = c.Write(journalEntry(fields))
	return err == nil
}

// report writes an entry to the journal, or else its MESSAGE= to the log.
func (s *Service) report(level slog.Level, fields map[string]string) {
	if !toJournal(fields) {
		s.log.Log(context.Background(), level, fields["MESSAGE"])
	}
}

// stderrIsJournal compares stderr with $JOURNAL_STREAM, see systemd.exec(5).
func stderrIsJournal() bool {
	var st unix.Stat_t
	if unix.Fstat(2, &st) != nil { // not os.Stderr.Fd, which would make it blocking
		return false
	}
	return os.Getenv("JOURNAL_STREAM") == fmt.Sprintf("%d:%d", st.Dev, st.Ino)
}

// journalEntry encodes fields in the native protocol, sorted by name.
func journalEntry(fields map[string]string) []byte {
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	var b []byte
	for _, name := range names {
		value := fields[name]
		if !strings.Contains(value, "\n") {
			b = fmt.Appendf(b, "%s=%s\n", name, value)
			continue
		}
		b = append(b, name...)
		b = append(b, '\n')
		b = binary.LittleEndian.AppendUint64(b, uint64(len(value)))
		b = append(b, value...)
		b = append(b, '\n')
	}
	return b
}
