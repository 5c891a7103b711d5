// Package reload lets one generation of a service follow another: on
// `systemctl reload` the new version takes over from the old one without one
// refused connection or dropped request.
//
// # The service
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
// # A reload
//
// systemd sends SIGHUP to the main process ([Type=notify-reload], systemd ≥ 254).
// The main process, now a predecessor, resolves its own path anew, starts the
// program there, and hands the sockets over. The successor initialises for as long
// as [Config.ReadyTimeout] allows. When its application calls Serve, the
// predecessor stops accepting, names the successor main process and drains:
// connections it has accepted are finished within [Config.DrainTimeout], then it
// exits. A successor that crashes, hangs or refuses before that changes nothing:
// the predecessor keeps serving, and STATUS= gives the reason. If the successor
// dies while its predecessor drains, the predecessor takes back.
//
// # By hand
//
// Without systemd the sockets come from systemd-socket-activate(1), which starts the
// program at the first connection:
//
//	systemd-socket-activate --fdname=http -l 8080 ./web
//
// There is no upgrade then, since a shell does not follow it to the next process. A
// process that systemd has not started, and that has no NOTIFY_SOCKET, takes SIGHUP as
// SIGTERM, or ignores it if it was started so (nohup(1)). Where systemd has started it, but does
// not listen to it (Type=exec), an upgrade fails and the service goes on.
//
// # Asking first
//
// [Service.Preflight] asks the build that an upgrade would start whether it could
// follow, and starts nothing that serves. In the new build it is Open that answers:
// with the version of the protocol that it speaks, and with the answer of
// [Config.Preflight], if that is set. It needs no other line:
//
//	reload.Main(reload.Config{Preflight: config.Check}, serve)
//
// A preflight is a process of the new build. Every package's init, and the code of main
// before Open, run in it as they do in a successor: beside a generation that serves. So
// that code must not migrate data, take locks, register with others, or print output
// that is counted.
//
// # The start of a successor
//
// A successor begins as systemd has started this process: with its arguments, its
// environment, its working directory and its descriptors 0 to 2, not with the program's
// later changes to os.Args, the environment, the directory and os.Stderr. A log file of
// StandardOutput=append: that was rotated is opened anew. Settings that systemd applies
// only at a start come from that start: see [Config.Command], and [Verdict].LeftBehind
// for those that a successor could not get.
//
// # Descriptors
//
// The Service owns the sockets. The results of getters work on duplicates that the
// caller may close, although Close and the end of Serve do it as well. A successor
// is started with stdio and the handover socket and nothing else; the sockets
// follow on that one. It hands its predecessor one end of a stream to which the
// runtime writes the reason of a crash, and keeps the other.
//
// # What it uses of the process
//
// Environment. Open reads these variables, and unsets the ones marked with a star, so that
// no child takes them for its own:
//
//	LISTEN_PID*, LISTEN_PIDFDID*,
//	LISTEN_FDS*, LISTEN_FDNAMES*     the sockets, see package activation
//	NOTIFY_SOCKET*                   systemd's end, see package notify
//	WATCHDOG_USEC, WATCHDOG_PID      the watchdog, see package notify
//	FDSTORE                          how many entries the store may have
//	SYSTEMD_EXEC_PID, INVOCATION_ID  whether systemd has started this process, and in which unit
//	JOURNAL_STREAM                   whether stderr is the journal's; read at each entry
//	INSTAR_HANDOVER_FD*              the handover socket of a successor
//	INSTAR_PREFLIGHT_FD*             the socket of a process that is only asked
//
// It sets none in this process. A successor or a preflight gets the environment that
// systemd has given this process, without LISTEN_*, WATCHDOG_PID, SYSTEMD_EXEC_PID and
// MAINPID, and with its own INSTAR_…_FD; a successor also with NOTIFY_SOCKET.
//
// Package initialisation. Importing the package notes the arguments, the environment and the
// working directory of this process, from /proc/self where that can be read, and duplicates
// descriptors 0 to 2 to numbers from 10 on, close-on-exec. It starts nothing and changes
// nothing else. Package status notes the time. The other packages do nothing.
//
// Signals. From Open on SIGHUP is the reload signal, but not in a process that was started
// by hand. While Serve runs it is taken again every two seconds, in case the program has
// called [signal.Reset] or [signal.Ignore]. SIGTERM and SIGINT, by hand SIGHUP too, stop the
// service while Serve runs; before and after that they do what they do in any Go program.
// Open takes no other signal. A stand-in blocks all signals and passes on those that it gets
// instead of this process. SIGKILL goes to a successor that has failed, to an old generation
// that is overdue, and to this process if it has drained, its program does not end, and the
// main process has died.
//
// Of the runtime, Open uses [debug.SetCrashOutput] in a successor. Open does not change
// GOMAXPROCS, limits, the umask, the working directory or os.Args.
//
// The steps are those of the state machine in internal/generation, which does
// no I/O; this package is the shell around it. ARCHITECTURE.md follows an
// upgrade through both.
//
// [Type=notify-reload]: https://www.freedesktop.org/software/systemd/man/latest/systemd.service.html#Type=
package reload
