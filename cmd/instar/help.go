package main

// usageTemplate is how --help shows a command after its long text: what it is called
// with first. It is cobra's, as far as this command line needs it.
const usageTemplate = `Usage:
  {{if .HasParent}}{{.UseLine}}{{else}}{{.Use}} [ARGUMENT…]{{end}}{{if .HasExample}}

Examples:
{{.Example}}{{end}}{{if .HasAvailableSubCommands}}

Commands:{{range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}{{if .HasAvailableLocalFlags}}

Flags:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}{{if .HasAvailableInheritedFlags}}

Flags of all commands:
{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}
`
