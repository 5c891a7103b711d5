// Package machine gives a test a throw-away machine with a real systemd in it,
// so that the test reads like a story: boot, install, start, reload, expect.
//
//	m, err := machine.Boot(ctx, machine.V257, machine.Options{})
//	defer m.Close()
//	m.CopyIn("bin/web", "/opt/instar/bin/web", 0o755)
//	sys := m.System()
//	sys.InstallUnit("web.socket", socketUnit)
//	sys.InstallUnit("web.service", serviceUnit)
//	sys.DaemonReload(ctx)
//	sys.Start(ctx, "web.socket")
//	conn, err := m.Dial(ctx, "tcp", "127.0.0.1:8080")
//
// # A machine
//
// An [Image] is a Debian tree that mmdebstrap(1) has put together once, for one
// systemd, and that stays in the cache. A [Machine] is a systemd-nspawn(1)
// container booted from it: its own PID 1, network, mounts and cgroups. It
// writes to a tmpfs laid over the tree (--volatile=overlay), so no machine
// changes the image, any number boot from one, and a boot takes well under a
// second.
//
// systemd in the machine is 254 or later, as Instar needs. The host needs root, a
// cgroup2 hierarchy (mounted anywhere), and the packages that scripts/install-tools
// installs; its own init may be anything.
//
// Two things are not as on a host. Machines have no cgroup controllers, on any
// host: MemoryMax= or TasksMax= is accepted and does not hold. And limits
// (LimitNOFILE= and its like) cannot be raised above ours when this process is
// root without CAP_SYS_RESOURCE, as in some sandboxes.
//
// # The end of a machine
//
// Nothing, however its owner ended. The whole machine lives in one cgroup,
// <cgroup2>/instar-machine-VERSION-ID, and that cgroup is its only record:
//
//   - Everything a machine runs, and every command sent into it, is in there:
//     one write to cgroup.kill ends them all.
//   - The mounts of systemd-nspawn are made in a mount namespace of its own,
//     and go with its last process.
//   - The owner holds a flock(2) on the cgroup's directory. A process that can take the
//     lock knows that the owner is gone, and may remove the machine: [Sweep]
//     does, and every Boot begins with it.
//   - A watcher in the cgroup holds the read end of a pipe from the owner, and
//     kills the cgroup when the owner is gone, even by SIGKILL.
//
// # Ownership of descriptors
//
// A Machine owns its descriptors (the cgroup's directory with the lock, the pipe to
// the watcher, the machine's network namespace and root) from Boot to Close. All
// are close-on-exec. The caller owns the result of Dial.
//
// # Managers
//
// A [Manager] is a systemd to install units into: the system manager of a
// machine, the manager of a user in it, or, with [HostUser], the user manager
// of this very host, where no machine is needed. A test written against a
// Manager and its [Host] runs on all three.
//
// # Environment
//
// INSTAR_SYSTEMD: the versions to test on, see [Wanted]. INSTAR_CACHE: where images
// are kept, see [CacheVariable]. INSTAR_MIRROR: the Debian mirror, see [MirrorVariable].
//
// Man pages: systemd-nspawn(1), nsenter(1), cgroups(7), systemctl(1), user@.service(5).
package machine
