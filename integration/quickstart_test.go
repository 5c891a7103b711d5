package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/instar-project/instar/internal/status"
)

// The commands of the README's quickstart, word for word: those of the first block
// in the checkout, those of the second in a clean machine. The comment behind a
// command is in its output.
func TestQuickstart(t *testing.T) {
	build, deploy := quickstart(t)
	built := sync.OnceValue(func() error {
		for _, line := range build {
			if out, err := inCheckout(line.command); err != nil {
				t.Logf("%s\n%s", line.command, out)
				return err
			}
		}
		return nil
	})
	onEach(t, func(t *testing.T, s *site) {
		s.must(built())
		for _, pattern := range []string{"instar_*.deb", "hello-v1", "hello-v2"} {
			files, err := filepath.Glob(filepath.Join("..", "dist", pattern))
			s.must(err)
			if len(files) != 1 {
				t.Fatalf("dist/%s is %v", pattern, files)
			}
			s.must(s.machine.CopyIn(files[0], "/root/dist/"+filepath.Base(files[0]), 0o755))
		}
		// How the image was built: apt would ask for lists that are no longer there.
		s.must(s.machine.Remove("/etc/apt/apt.conf.d/99mmdebstrap"))
		for _, line := range deploy {
			out, err := s.machine.Run(s.ctx, "sh", "-c", "cd /root && "+line.command)
			t.Logf("# %s\n%s", line.command, out)
			if err != nil {
				t.Fatalf("%v\n%s", err, s.journal())
			}
			if !strings.Contains(out, line.prints) {
				t.Errorf("%s prints\n%s\nwant %q", line.command, out, line.prints)
			}
		}

		// The written files are in order, and the installed ones are all that is
		// needed.
		out, err := s.machine.Run(s.ctx, "instar", "verify", "--strict", "hello")
		if err != nil || out != "hello.service: nothing to say\n" {
			t.Errorf("after all, there is something to say: %v\n%s", err, out)
		}
		installed, err := s.machine.Run(s.ctx, "dpkg", "--listfiles", "instar")
		s.must(err)
		for _, file := range []string{
			"/usr/bin/instar",
			"/usr/share/man/man1/instar.1.gz",
			"/usr/share/man/man1/instar-init.1.gz",
			"/usr/share/bash-completion/completions/instar",
			"/usr/share/zsh/vendor-completions/_instar",
			"/usr/share/fish/vendor_completions.d/instar.fish",
			"/usr/share/dbus-1/system.d/io.github.instar_project.conf",
			"/usr/share/doc/instar/copyright",
			"/usr/share/doc/instar/changelog.gz",
		} {
			if !strings.Contains(installed, file+"\n") {
				t.Errorf("the package has no %s", file)
			}
		}
		// A service that runs as root needs no policy besides the package's; everyone reads.
		_, err = s.machine.Run(s.ctx, "systemd-run", "--unit=rooted", "--socket-property=ListenStream=8081",
			"--socket-property=FileDescriptorName=http", "--property=Type=notify-reload", "/opt/hello/hello")
		s.must(err)
		_, err = s.machine.Run(s.ctx, "curl", "-s", "localhost:8081")
		s.must(err)
		s.eventually("the service that runs as root shows its status", func() bool {
			out, err := s.machine.Run(s.ctx, "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
				"busctl", "get-property", status.NamePrefix+"rooted", string(status.Path), status.Interface, "Phase")
			return err == nil && strings.Contains(out, "serving")
		})
		journal, err := s.manager.Journal(s.ctx, "hello.service")
		s.must(err)
		if strings.Contains(journal, "not on the bus") || strings.Contains(journal, "not known") {
			t.Errorf("the service was not on the bus\n%s", journal)
		}
	})
}

// line is one of a block of commands.
type line struct{ command, prints string }

// quickstart reads the two blocks of commands.
func quickstart(t *testing.T) (build, deploy []line) {
	t.Helper()
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(readme), "\n## Quickstart\n")
	section, _, _ = strings.Cut(section, "\n## ")
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(section, -1)
	if len(blocks) != 2 {
		t.Fatalf("the quickstart has %d blocks of commands, want 2", len(blocks))
	}
	return lines(blocks[0][1]), lines(blocks[1][1])
}

func lines(block string) (all []line) {
	for text := range strings.Lines(block) {
		command, comment, _ := strings.Cut(strings.TrimSpace(text), "  # ")
		if command != "" {
			all = append(all, line{strings.TrimSpace(command), strings.TrimSpace(comment)})
		}
	}
	return all
}

func inCheckout(command string) (string, error) {
	cmd := exec.Command("sh", "-c", command)
	cmd.Dir = ".."
	out, err := cmd.CombinedOutput()
	return string(out), err
}
