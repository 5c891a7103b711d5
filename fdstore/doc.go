// Package fdstore keeps state, logs of changes and connections by the thousand in systemd's
// file descriptor store, where they outlive every process of the service.
//
// It implements the service's side of the store as sd_pid_notify_with_fds(3) and
// systemd.service(5), FileDescriptorStoreMax=, describe it. systemd holds a duplicate of
// every descriptor in the store, across any death of the service's processes, and hands
// them to the next main process by name. The unit needs
//
//	[Service]
//	FileDescriptorStoreMax=64
//	NotifyAccess=main
//
// and systemd 254 or later, which says in $FDSTORE how many entries there may be.
// FileDescriptorStorePreserve=yes keeps the store over stop and start as well.
//
// # The store
//
// A Keeper, which package reload calls, is given its part of the store, and asks for things
// by names that are its own:
//
//	func (k *keeper) Adopt(ctx context.Context, store *fdstore.Store, from reload.Origin) error {
//		j, err := store.Journal(ctx, "talk", fdstore.JournalConfig{Schema: 1})
//		…
//	}
//
// There are four kinds of entries.
//
//	descriptor  one, such as a socket or a device  Put, File
//	blob        a value, replaced whole            WriteBlob, Blob, Save, Load
//	journal     a value and a log of changes       Journal
//	bundle      many descriptors with labels       Bundle
//
// A [Blob] is a sealed memory file. Use it for state that changes now and then: each change
// is a round trip to systemd, of a fraction of a millisecond.
//
// A [Journal] is an append-only memory file, stored once. A record is one write(2) to
// memory that systemd holds too, so it is safe from any death as soon as Append
// returns, and systemd has no part in it. Use it for state that changes all the time.
//
// A [Bundle] is two sockets and a memory file, stored once. The sockets' receive queues
// hold descriptors in SCM_RIGHTS messages; the file says which of them have been removed
// since. To add a connection is one sendmsg(2), to remove it one write(2), and again
// systemd has no part in it. As plain entries thousands of connections would stall PID 1
// for seconds, because it compares each with all the others. bundle_compact.go tells how a
// queue of a few hundred messages holds tens of thousands of connections, which come and go.
//
// In the store an entry is called instar.KIND.KEEPER/NAME.NUMBER, and instar.KIND.NAME.NUMBER if
// the Keeper has no name; KIND is fd, blob, journal or bundle. The number lets a new one be stored
// before the old one is removed, so that at every instant one of them, complete, is there.
// `instar fds` lists them, and reads blobs and journals, while the service runs.
//
// # Survival
//
// The store is memory: it ends with the machine at the latest.
//
//	                             by default  FileDescriptorStorePreserve=yes
//	reload, restart              stays       stays                            tested
//	death of every process,
//	  Restart= starting another  stays       stays                            tested
//	stop, then start             goes        stays                            tested
//	soft-reboot                  goes        stays                            from the manual
//	kexec                        goes        blobs and journals stay,
//	                                         from systemd 261 on              from the manual
//	reboot, power off            goes        goes
//
// Tested means on systemd 254, 257 and 262, by integration/store_test.go and `make
// store`; the manual is systemd.service(5), FileDescriptorStorePreserve=, and
// systemd-soft-reboot.service(8). A connection that stays is as good as before, as long
// as the other end has it. After a death that nothing follows (Restart=no, a start
// limit) the store fares as at a stop.
//
// # Writing
//
// Reading changes nothing: no entry, no queue, no shared file offset. A reader may
// die anywhere, and the next one finds the same.
//
// One process writes at a time, from Adopt to Park. After Park every change is an
// [ErrStopped], and open journals and bundles are closed; reading goes on. A process that takes
// back opens them again, and finds its successor's changes in them.
//
// Every change to the store is confirmed by a barrier (sd_notify_barrier(3)). That says
// systemd has read it; it does not say that it has kept it. Nothing says that, so the
// reasons for which it drops a descriptor are checked beforehand: the number of entries, the name, and that
// the same open file description is not stored twice. An entry that was put without FDPOLL=0
// and has hung up is gone from the store and still counts here, until it is removed.
//
// # Ownership of descriptors
//
// The store has a duplicate of everything that is put into it. A descriptor passed to Put,
// Add and the like is borrowed: the caller closes it, and may do so at once. File, Blob and
// Recover return duplicates, which the caller closes. Everything is close-on-exec.
//
// A stored connection never looks closed to its peer, because systemd has it open. So an
// ended one is shut down, not only closed: [Bundle.End].
//
// # Foreign and newer entries
//
// Blobs, journals, and messages and notes of a bundle have a magic number, a format version and
// checksums. An entry that does not fit is an [ErrCorrupt] or [ErrNewer], and stays as it is.
// [Store.Leftovers] and the log report entries that an earlier version of the program stored and
// this one never asks for; [Store.Remove] removes them.
package fdstore
