// Package fdstore keeps what must outlive a process in systemd's file descriptor
// store: state, logs of changes, and connections by the thousand.
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
// A program opens it with what it was passed, once, and asks for things by name:
//
//	set, err := activation.Take()
//	max, err := fdstore.Quota()
//	store, err := fdstore.Open(fdstore.Config{
//		Entries:  set.Claim(fdstore.Reserved),
//		Notifier: notifier,
//		Max:      max,
//		Sockets:  set.Names(),
//	})
//
// There are four kinds of entries. In the store they are called
// instar.KIND.NAME.NUMBER; the number lets a new one be stored before the old one is
// removed, so that at every instant one of them, complete, is there.
//
//	fd       one descriptor                 Put, Replace, File, Claim
//	blob     a value, replaced whole        WriteBlob, Blob, Save, Load
//	journal  a value and a log of changes   Journal
//	bundle   many descriptors with labels   Bundle
//
// A [Blob] is a sealed memory file. Use it for what changes now and then: each change
// is a round trip to systemd, of a fraction of a millisecond.
//
// A [Journal] is an append-only memory file, stored once. A record is one write(2) to
// memory that systemd holds too, so it is safe from any death as soon as Append
// returns, and systemd has no part in it. Use it for what changes all the time.
//
// A [Bundle] is two sockets and a memory file, stored once. The sockets' receive queues
// hold descriptors in SCM_RIGHTS messages; the file says which of them have been removed
// since. To add a connection is one sendmsg(2), to remove it one write(2), and again
// systemd has no part in it. As plain entries thousands of connections would stall PID 1
// for seconds, because it compares each with all the others. compact.go tells how a queue
// of a few hundred messages holds tens of thousands of connections, which come and go.
//
// # What survives what
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
// limit) what holds for stop holds.
//
// # Who may write, and when
//
// Reading changes nothing: no entry, no queue, no shared file offset. A reader may
// die anywhere, and the next one finds the same.
//
// Only the main process writes. systemd tells nobody what is in the store, so a
// Store knows it by keeping count; and a journal or a bundle that two processes wrote to
// would be no use to either. In an upgrade the predecessor calls [Store.Stop], which
// waits for what is under way; then the successor, which was handed [Store.Entries],
// may open journals and bundles, and once it is the main process it may change the
// store. If it is to take back, the predecessor calls [Store.Resume] and opens them
// again. An entry that another generation made meanwhile it does not know of.
//
// Every change to the store is confirmed by a barrier (sd_notify_barrier(3)), with the
// deadline of the context or [DefaultTimeout]. That says systemd has read it; it does not
// say that it has kept it. Nothing says that, so what could make it drop a
// descriptor is checked beforehand: the number of entries, the name, and that the same
// open file description is not stored twice. An entry that was put without FDPOLL=0
// and has hung up is gone from the store and still counts here, until it is removed.
//
// # Who owns a descriptor
//
// The Store owns those it was opened with, and a duplicate of everything it has put.
// What is passed to Put, Add and the like is borrowed: the caller closes it, and may do
// so at once. What File, Claim, Blob and Recover return is a duplicate, which the
// caller closes. Everything is close-on-exec.
//
// A stored connection never looks closed to its peer, because systemd has it open. So an
// ended one is shut down, not only closed: [Bundle.End].
//
// # What is not understood
//
// Blobs, journals, and messages and notes of a bundle have a magic number, a format version and
// checksums. What does not fit is [ErrForeign], [ErrTruncated], [ErrCorrupt],
// [ErrNewerFormat] or [ErrNewerSchema], and stays as it is. What an earlier version of
// the program stored and this one never asks for is reported by [Store.Leftovers], and
// removed by [Store.Discard].
//
// # From outside
//
// [ParseName] says what an entry is by its name, as `systemd-analyze fdstore` lists it,
// and [Inspect] what a blob or a journal holds, while the service runs; the memory file of
// a bundle is a journal too. A bundle's queue is its service's alone to read, because where
// a peek begins (SO_PEEK_OFF) is a property of the socket, which both would move; how many
// descriptors it holds is in fdinfo of proc(5), scm_fds.
package fdstore
