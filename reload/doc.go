// Package reload lets one generation of a service follow another: on
// `systemctl reload` the new version takes over from the old one without one
// refused connection or dropped request.
//
// # What a service does
//
//	func main() { reload.Main(reload.Config{}, serve) }
//
//	func serve(ctx context.Context, svc *reload.Service) error {
//		ln, err := svc.Listener("http") // FileDescriptorName=http in the .socket unit
//		if err != nil {
//			return err
//		}
//		return svc.Serve(ctx, httpdrain.New(server, ln))
//	}
//
// [Main] opens the service, logs an error, and ends the process; nothing else in here
// does. A program that wants to do so itself calls [Open], and defers [Service.Close].
//
// Open handles the reload signal from then on, and Serve, SIGTERM: before Serve
// it ends the process, as ever. Serve says READY=1, serves, hands over, drains,
// and returns nil when there is nothing left to do; the program then ends.
//
// # What happens at a reload
//
// systemd sends SIGHUP to the main process ([Type=notify-reload], systemd ≥
// 254). The main process, now a predecessor, resolves its own path anew,
// starts what it finds there, and hands the sockets over. The successor
// initialises for as long as [Config.ReadyTimeout] allows. When its
// application calls Serve, the predecessor stops accepting, names the
// successor main process and drains: connections it has accepted are finished
// within [Config.DrainTimeout], then it exits. A successor that crashes, hangs
// or refuses before that changes nothing: the predecessor keeps serving, and
// STATUS= says what went wrong. If the successor dies while its predecessor
// drains, the predecessor takes back.
//
// # By hand
//
// Sockets come from whoever starts the program. Without systemd that is
// systemd-socket-activate(1), which starts it at the first connection:
//
//	systemd-socket-activate --fdname=http -l 8080 ./web
//
// There is no upgrade then, since nobody would follow it to the next process: a process
// that systemd has not started, and that has no NOTIFY_SOCKET, takes SIGHUP as SIGTERM,
// or ignores it if it was started so (nohup(1)). Where systemd has started it, but does
// not listen to it (Type=exec), an upgrade fails and the service goes on.
//
// # Asking first
//
// [Service.Preflight] asks the build that an upgrade would start whether it could
// follow, and starts nothing that serves. In the new build it is Open that answers:
// with the version of the protocol that it speaks, and with what [Config.Preflight]
// says, if that is set. It needs no other line:
//
//	reload.Main(reload.Config{Preflight: config.Check}, serve)
//
// A preflight is a process of the new build. Every package's init and what main does
// before Open run in it, as they do in a successor: beside a generation that serves. So
// that is no place for a migration, a lock, a registration with others, or output that
// somebody counts.
//
// # What a successor is started with
//
// A successor begins as systemd has started this process: with its arguments, its
// environment, its working directory and its descriptors 0 to 2, not with what the
// program has made of os.Args, os.Setenv, os.Chdir and os.Stderr since. A log file of
// StandardOutput=append: that was rotated is opened anew. What systemd applies at a start
// alone comes from that start: see [Config.Command], and [Verdict].LeftBehind for what
// could not be brought along.
//
// # Descriptors
//
// The Service owns the sockets. What the getters return works on duplicates
// that the caller may close, although Close and the end of Serve do it as well.
// A successor is started with stdio and the handover socket and nothing else;
// the sockets follow on that one. It hands its predecessor one end of a stream
// where the runtime writes why it crashes, and keeps the other.
//
// The steps are those of the state machine in internal/generation, which does
// no I/O; this package is the shell around it. ARCHITECTURE.md follows an
// upgrade through both.
//
// [Type=notify-reload]: https://www.freedesktop.org/software/systemd/man/latest/systemd.service.html#Type=
package reload
