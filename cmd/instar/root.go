package main

import "github.com/spf13/cobra"

// root is the command line as a whole.
func root() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "instar",
		Short: "Services that are upgraded by systemctl reload",
		// main prints the one line that there is to say.
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	cmd.AddCommand(reloadVerdict())
	return cmd
}
