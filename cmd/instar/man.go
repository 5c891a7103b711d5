package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/instar-project/instar/cmd/instar/internal/manpage"

	"github.com/spf13/cobra"
)

// manCommand writes the man pages, for the package.
func manCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "man FOLDER",
		Short: "Write the man pages of all commands into a folder",
		Long: `Writes instar.1 and a page for each command, instar-COMMAND.1. The date in them is
SOURCE_DATE_EPOCH, or today.`,
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			date, err := sourceDate()
			if err != nil {
				return err
			}
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			for _, page := range manpage.Pages(cmd.Root(), date) {
				if err := os.WriteFile(filepath.Join(args[0], page.Name), []byte(page.Text), 0o644); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// sourceDate is the time of the source's last change, for output that is the same
// at every build: reproducible-builds.org.
func sourceDate() (time.Time, error) {
	epoch := os.Getenv("SOURCE_DATE_EPOCH")
	if epoch == "" {
		return time.Now(), nil
	}
	seconds, err := strconv.ParseInt(strings.TrimSpace(epoch), 10, 64)
	if err != nil {
		return time.Time{}, misuse(fmt.Errorf("SOURCE_DATE_EPOCH=%s: want seconds since 1970", epoch))
	}
	return time.Unix(seconds, 0).UTC(), nil
}
