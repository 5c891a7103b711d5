// Package activation receives the file descriptors that systemd hands to a service
// at its start: names in, typed listeners, packet connections and files out.
//
// It implements the receiving side of sd_listen_fds(3) and the tests of
// sd_is_socket(3), sd_is_fifo(3), sd_is_special(3) and sd_is_mq(3).
//
//	# web.socket                      // main.go
//	[Socket]                          set, err := activation.Take()
//	ListenStream=8080                 ...
//	FileDescriptorName=http           ln, err := set.Listener("http")
//
// [Take] is called once, early in main. It parses $LISTEN_PID,
// $LISTEN_PIDFDID, $LISTEN_FDS and $LISTEN_FDNAMES, unsets
// them so that no child process believes in them, and
// returns a [Set]. A malformed environment is an error that quotes the variable
// and its value; an environment meant for another process is not, and neither
// is none at all: then the Set is empty, and the getter that misses a socket
// says why it is not there and how to start the program so that it is.
//
// # Getters
//
// A socket is asked for by the FileDescriptorName= of its .socket unit, and by the
// use that the program has for it:
//
//	Listener, Listeners       ListenStream= (TCP, Unix, vsock), ListenSequentialPacket=
//	PacketConn, PacketConns   ListenDatagram= (UDP, Unix)
//	File, Files               ListenFIFO=, ListenSpecial=, ListenNetlink=,
//	                          ListenMessageQueue=, and whatever else came
//
// The singular wants exactly one descriptor of that name, the plural at least one,
// in the order of the .socket unit. Before it hands anything out, a getter asks the
// kernel what the descriptor really is (SO_TYPE, SO_ACCEPTCONN, SO_DOMAIN,
// SO_PROTOCOL), then runs the given [Check] functions: [BoundTo] for the address,
// [Only] for the kind. A descriptor that does not fit is an [*Error] that names
// the kind found, the kind asked for, and the directive to change.
//
// A connection that Accept=yes made is an error too, with words of its own: a
// process per connection has nothing to hand over.
//
// # Ownership of descriptors
//
// From Take on, the Set owns the descriptors it was passed and has marked them
// close-on-exec. A getter's result is over a duplicate of its own, which the caller
// closes. So closing a listener stops this program accepting, while the socket
// itself stays open in the Set: it can be asked for again, or sent to a successor
// ([Set.Entries] lends the originals for that). [Set.Claim] moves descriptors out
// of the Set, for good; [Set.Close] closes the rest. A successor that was sent
// descriptors makes its Set with [New].
//
// A duplicate shares its open file description with the original, with systemd and
// with every other process that holds the socket, and so shares O_NONBLOCK. This
// package sets that flag where Go's poller needs it, and never clears it. For the
// same reason never call File.Fd or net's File methods on its results, only
// SyscallConn: they may switch the flag off for all of these.
//
// # What it uses of the process
//
// Take reads LISTEN_PID, LISTEN_PIDFDID, LISTEN_FDS and LISTEN_FDNAMES and unsets them. If
// there is no socket it also reads SYSTEMD_EXEC_PID, to say why. The package has no init,
// sets no variable and takes no signal.
//
// # Other descriptors
//
// Entries of systemd's file descriptor store arrive in the same list, after the
// sockets. Names that begin with "instar." are Instar's own store entries
// and are never handed out as sockets. Three names are systemd's own: a
// descriptor is "unknown" when it came without a name, "stored" when it was put
// into the store without one, and "connection" when Accept=yes made it.
//
// # Requirements
//
// Linux, and any systemd that has FileDescriptorName= (227 and later).
// $LISTEN_PIDFDID is set by systemd 259 and later and is checked on kernels that
// have pidfs (6.9 and later).
package activation
