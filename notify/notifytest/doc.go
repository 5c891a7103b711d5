// Package notifytest is a service manager for tests: the receiving end of
// NOTIFY_SOCKET, which records a service's messages and answers its barriers.
//
//	m := notifytest.Start(t)
//	t.Setenv("NOTIFY_SOCKET", m.Address())
//	… run the service …
//	m.Wait(notifytest.Has("READY=1"))
//
// It receives the messages of any implementation of sd_notify(3), from this process
// or another, over a real socket, and does not use package notify: an error in the
// one cannot hide in the other. It does not act on messages as systemd does; there is
// no unit behind it. A message that systemd would ignore for its form (a datagram
// that is too long, a barrier beside other fields) is an error of the test.
//
// The Manager owns its socket and every descriptor it receives, and closes them when
// the test ends. The descriptors in a [Message] are borrowed until then.
//
// Man page: sd_notify(3). The limits are those of systemd 254 to 262.
package notifytest
