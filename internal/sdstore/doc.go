// Package sdstore is the service's side of systemd's file descriptor store, as
// sd_pid_notify_with_fds(3) and systemd.service(5), FileDescriptorStoreMax=, describe it: the
// entries, their names, and the right to change them.
//
// A [Share] is one Keeper's part of it, with a namespace of its own. Package fdstore puts its
// kinds of entries there, and its Store is a Share by another name:
//
//	(*fdstore.Store)(store.Share("sessions"))
//
// # Writing
//
// Only the main process writes. systemd does not tell what is in the store, so a
// Store keeps count; and a journal or a bundle that two processes wrote to
// would be no use to either. In an upgrade the predecessor calls [Store.Stop], which
// waits for changes under way; then the successor, which was handed [Store.Entries],
// may open journals and bundles, and once it is the main process it may change the
// store. If it is to take back, the predecessor calls [Store.Resume] and opens them
// again. An entry that another generation made meanwhile it knows by [Store.Learn] alone.
//
// Every change is confirmed by a barrier (sd_notify_barrier(3)). That says systemd has read
// it; it does not say that it has kept it. Nothing says that, so the reasons for which it
// drops a descriptor are checked beforehand: the number of entries, the name, and that the same
// open file description is not stored twice. An entry that was put without FDPOLL=0
// and has hung up is gone from the store and still counts here, until it is removed.
//
// A Store owns the descriptors it was opened with, and a duplicate of everything it has put.
package sdstore
