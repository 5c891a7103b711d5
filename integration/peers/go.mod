// Services and clients that use the libraries of others, in a module of their own so
// that nobody who imports Instar has to carry them.
module github.com/instar-project/instar/integration/peers

go 1.26.0

require (
	github.com/instar-project/instar v0.0.0
	github.com/miekg/dns v1.1.73
)

require (
	golang.org/x/net v0.57.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
)

replace github.com/instar-project/instar => ../..
