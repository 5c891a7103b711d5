// Services and clients that use the libraries of others, in a module of their own so
// that nobody who imports Instar has to carry them.
module github.com/instar-project/instar/integration/peers

go 1.26.0

require (
	github.com/coder/websocket v1.8.15
	github.com/gorilla/websocket v1.5.3
	github.com/instar-project/instar v0.0.0
	github.com/miekg/dns v1.1.73
	golang.org/x/net v0.62.0
	google.golang.org/grpc v1.85.0
)

require (
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/text v0.43.0 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20260817212433-ac3dfec99bb1 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)

replace github.com/instar-project/instar => ../..
