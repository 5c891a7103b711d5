package main

import "runtime/debug"

// version is stamped into the binaries of a release.
var version = ""

// buildVersion is the output of --version: the release, or the version that the go
// command knows of the source.
func buildVersion() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(unknown)"
	}
	return info.Main.Version
}
