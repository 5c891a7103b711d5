package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/instar-project/instar/integration/prove/store/members"
	"github.com/instar-project/instar/integration/stage"
)

// before is the last commit whose builds have one Keeper, without a name.
const before = "d6bb9db2af09edf58f36434373147600f532df3a"

// buildOf builds a folder of the source tree as a commit has it.
func (s *site) buildOf(commit, folder string) (binary string) {
	s.Helper()
	here, err := stage.Source(s.ctx, ".")
	s.must(err)
	dir := s.TempDir()
	tree, binary := filepath.Join(dir, "tree"), filepath.Join(dir, "binary")
	s.must(os.Mkdir(tree, 0o755))
	for _, command := range []string{
		fmt.Sprintf("git -C %s archive %s | tar -x -C %s", here, commit, tree),
		fmt.Sprintf("cd %s && CGO_ENABLED=0 go build -o %s ./%s", tree, binary, folder),
	} {
		if out, err := exec.CommandContext(s.ctx, "bash", "-o", "pipefail", "-c", command).CombinedOutput(); err != nil {
			s.Fatalf("%s: %v\n%s", command, err, out)
		}
	}
	return binary
}

// The Keeper without a name finds the entries of a build that knew no names, and leaves its own
// to such a build, whichever way one follows the other.
func TestBuildsOfBefore(t *testing.T) {
	if out, err := exec.Command("git", "cat-file", "-t", before).Output(); err != nil || strings.TrimSpace(string(out)) != "commit" {
		t.Skip("the history does not reach back so far: git fetch --unshallow")
	}
	onChat(t, 20, func(s *site, _ *members.Members) {
		old := s.buildOf(before, "examples/chat")
		for _, follow := range []func(){
			func() { s.upgrade("chat") },
			func() { s.must(s.manager.Restart(s.ctx, "chat.service")) },
			func() { s.kill("chat"); s.serves("chat") },
		} {
			s.must(s.manager.Host().CopyIn(old, s.binary("chat"), 0o755))
			follow()
			s.release("chat", "examples/chat", "version=v2")
			follow()
		}
		if journal := s.journal(); strings.Contains(journal, "does not know") {
			s.Errorf("an entry was not found:\n%s", journal)
		}
	})
}
