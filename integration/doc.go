// Package integration tests Instar on the real thing: services built twice and
// replaced on disk, in machines with a systemd of their own, under the load of
// clients that count their losses.
//
// INSTAR_SYSTEMD chooses the versions, such as 254,257,262; 257 by default. A
// version whose image cannot be built, because the mirror does not have it, is
// reported as not run. A host that cannot run machines skips all tests, unless
// INSTAR_SYSTEMD is set: then it fails them.
package integration
