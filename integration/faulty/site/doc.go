// Package site runs integration/faulty in a machine: its units, its builds side
// by side on disk, a symlink that says which one is deployed, and the directory
// through which faults are ordered. One machine holds several instances of the
// service at a time, each on a port of its own.
//
//	s, err := site.Install(ctx, there, builds...)
//	lane, err := s.Lane(ctx, 8081, "good")
//	lane.Deploy("trial")
//	err = lane.Reload(ctx)
//
// Connections that Dial returns are the caller's.
package site
