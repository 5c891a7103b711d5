package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/instar-project/instar/cmd/instar/internal/setup"
	"github.com/instar-project/instar/internal/units"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"
)

// initReport is the output of init --json.
type initReport struct {
	Files    []initFile `json:"files"`
	Commands []string   `json:"commands,omitempty"` // that have been run
	Next     []string   `json:"next,omitempty"`     // for the caller to run
	FDNames  []string   `json:"fdnames,omitempty"`  // that the program asks for
}

type initFile struct {
	Path  string `json:"path"`
	State string `json:"state,omitempty"` // "written", "replaced" or "unchanged"
	Text  string `json:"text,omitempty"`  // with --dry-run
}

// install writes the files, and has the running system heed them if they are where
// they belong. Nothing is written if any of them would be lost by it.
func (f *initFlags) install(cmd *cobra.Command, service units.Service, files []setup.File) error {
	states, err := f.states(cmd, files)
	if err != nil {
		return err
	}
	var report initReport
	var failed []error
	apply := f.dir == "" && booted()
	for i, file := range files {
		if states[i] != "unchanged" {
			if err := file.Write(); errors.Is(err, fs.ErrPermission) {
				return fmt.Errorf("%w; run it as root, with --user for a service of the user, or with --dir", err)
			} else if err != nil {
				return err
			}
		}
		report.Files = append(report.Files, initFile{Path: file.Path, State: states[i]})
		if apply && file.Then != nil {
			report.Commands = append(report.Commands, shell(file.Then...))
			if err := command(cmd, file.Then); err != nil {
				failed = append(failed, err)
			}
		}
	}
	if !apply {
		report.Next = placing(files)
	}
	report.Next = append(report.Next, systemctl(service, "enable --now", socketUnits(service)...))
	for _, socket := range service.Sockets {
		report.FDNames = append(report.FDNames, socket.Name)
	}
	if err := f.tell(cmd, service, report); err != nil {
		return err
	}
	return errors.Join(failed...)
}

// states says for each file whether it is written. If it differs and stays, states shows
// the difference.
func (f *initFlags) states(cmd *cobra.Command, files []setup.File) ([]string, error) {
	states := make([]string, len(files))
	var problems []error
	for i, file := range files {
		same, err := file.Compare()
		switch {
		case same:
			states[i] = "unchanged"
		case err == nil:
			states[i] = "written"
		case errors.Is(err, setup.ErrDiffers) && f.force:
			states[i] = "replaced"
		case errors.Is(err, setup.ErrDiffers):
			problems = append(problems, fmt.Errorf("%w; --force replaces it, --dry-run shows the new text", err))
			there, _ := os.ReadFile(file.Path) // Compare has read it
			for line := range strings.Lines(string(diff.Diff(file.Path, there, "new", []byte(file.Text)))) {
				fmt.Fprintln(cmd.ErrOrStderr(), plain(strings.TrimSuffix(line, "\n")))
			}
		default:
			problems = append(problems, err)
		}
	}
	return states, errors.Join(problems...)
}

// placing are the commands that install has not run.
func placing(files []setup.File) []string {
	var commands []string
	for _, file := range files {
		if file.Path != file.Place {
			commands = append(commands, shell("install", "-D", "--mode=0644", file.Path, file.Place))
		}
		if file.Then != nil {
			commands = append(commands, shell(file.Then...))
		}
	}
	return commands
}

// shell is a command line as one types it.
func shell(argv ...string) string {
	words := make([]string, len(argv))
	for i, arg := range argv {
		words[i] = quote(arg)
	}
	return strings.Join(words, " ")
}

// systemctl is a command for the manager that runs the service.
func systemctl(service units.Service, verb string, unitNames ...string) string {
	command := "systemctl "
	if service.Scope == units.User {
		command += "--user "
	}
	return command + verb + " " + strings.Join(unitNames, " ")
}

// socketUnits are the names of the service's sockets' units.
func socketUnits(service units.Service) []string {
	var all []string
	for i := range service.Sockets {
		all = append(all, service.SocketUnit(i))
	}
	return all
}

func (f *initFlags) tell(cmd *cobra.Command, service units.Service, report initReport) error {
	if f.json {
		return printJSON(cmd.OutOrStdout(), report, true)
	}
	out := cmd.OutOrStdout()
	for _, file := range report.Files {
		fmt.Fprintf(out, "%-9s  %s\n", file.State, file.Path)
	}
	for _, c := range report.Commands {
		fmt.Fprintf(out, "%-9s  %s\n", "ran", c)
	}
	title := "Next"
	if _, err := os.Stat(service.ExecStart[0]); err != nil {
		title = "Put the program at " + service.ExecStart[0] + ", and"
	}
	fmt.Fprintf(out, "\n%s:\n\n", title)
	for _, c := range report.Next {
		fmt.Fprintf(out, "  %s\n", c)
	}
	fmt.Fprintf(out, "\nThe program has to ask for its sockets by name: %s.\n", strings.Join(report.FDNames, ", "))
	fmt.Fprintf(out, "Whenever it has been replaced, %s upgrades the service.\n", systemctl(service, "reload", service.Name))
	fmt.Fprintf(out, "%s stops it; without its sockets, the next connection starts it again.\n",
		systemctl(service, "stop", append(socketUnits(service), service.ServiceUnit())...))
	return nil
}
