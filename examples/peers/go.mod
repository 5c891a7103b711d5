// Services that use the libraries of others, in a module of their own so that Instar's
// users do not carry them.
module github.com/instar-project/instar/examples/peers

go 1.26.0

require (
	github.com/instar-project/instar v0.0.0
	github.com/miekg/dns v1.1.73
	google.golang.org/grpc v1.85.0
)

require (
	github.com/coreos/go-systemd/v22 v22.7.0 // indirect
	github.com/godbus/dbus/v5 v5.2.4 // indirect
	golang.org/x/net v0.60.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/text v0.42.0 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20260817212433-ac3dfec99bb1 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)

replace github.com/instar-project/instar => ../..
