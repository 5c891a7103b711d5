// Package load puts honest load on a service while it is being upgraded, and
// counts everything itself.
//
// An upgrade that loses nothing can only be shown by clients that would notice
// a loss. Most clients would not: [net/http.Transport] quietly sends an
// idempotent request a second time when a reused connection turns out to be
// dead, DNS-style UDP clients ask again, and message libraries reconnect. The
// clients of this package never try anything twice:
//
//   - A request is written on a connection this package dialled, and its answer
//     is read from that connection. Whatever comes instead of a whole, valid
//     answer is a failed request: connection refused or reset, end of file, a
//     time-out, another status than 200. That holds for a kept-alive connection
//     which the server closed while it was idle, too: only an answer that says
//     "Connection: close" ends a connection without a failure, because only that
//     tells the client in time.
//   - A request over HTTP/2 has a stream of its own on such a connection. Only GOAWAY ends
//     the connection without a failure, and only if no request was refused by it.
//   - A stream carries numbered lines for a bounded life, several of them on
//     their way at once. Each has to come back whole, once, in order. Anything
//     else, and an end the client did not ask for, is a broken stream.
//   - A UDP query is sent once. If no answer comes within a generous time it is
//     lost, even if an answer comes later.
//
// Six kinds of client run side by side: short connections (one request each),
// keep-alive connections (as many requests as the server allows, some of them
// slow ones, so that a takeover always finds requests in flight), thinking
// clients (keep-alive connections that sit idle between requests, so that a
// takeover always finds idle connections), connections of HTTP/2, streams (TCP,
// Unix stream and Unix seqpacket) and queries (UDP). The rates are bounded: the
// service under load often shares two cores with its clients.
//
// # The protocols of the services
//
// The web service answers GET / and GET /slow?d=20ms with 200, a header
// X-Generation (a decimal number from 1) and optionally X-Build; for clients of
// HTTP/2 it speaks that without TLS, and answers POST / as well. The echo service
// answers the line "payload\n" with "GENERATION payload\n" on streams,
// and each packet or datagram "payload" with "GENERATION payload".
//
// # Descriptors
//
// Every connection belongs to the client that dialled it and is closed by it.
// After [Load.Stop] none is open. Connections come from [Config].Dial, so that
// the clients can live in this process and their sockets in the network
// namespace of a machine.
package load
