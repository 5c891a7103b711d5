package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// completeTimeout bounds how long a shell waits for the names of units.
const completeTimeout = time.Second

// completeUnits completes the names of services, which systemd knows: for a
// command's ValidArgsFunction. With no bus, or a slow one, it knows none.
func (o *options) completeUnits(cmd *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(cmd.Context(), completeTimeout)
	defer cancel()
	conn, err := o.dial(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer conn.Close()
	names, err := conn.Names(ctx, escapePattern(typed)+"*.service")
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// escapePattern makes a pattern of glob(7) that matches s alone.
func escapePattern(s string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(s)
}

// completions adds the command that writes the completion for a shell: of those
// that cobra knows, the ones that systemd's own tools have it for, and fish.
func completions(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() != "completion" {
			continue
		}
		cmd.Short = "Print the completion of this command for a shell"
		cmd.Long = `Prints a script that has the shell complete commands, flags and the names of units,
which it asks systemd for. The package instar installs them.`
		for _, shell := range cmd.Commands() {
			if shell.Name() == "powershell" {
				cmd.RemoveCommand(shell)
			}
		}
	}
}
