// Package peers has services and clients that use other people's libraries: those that
// people serve with, and have clients of, beside net/http. Each folder is a program, but for
// tally and the tests of inside.
//
// A client runs inside the machine of a test, which speaks to it by a pipe: the client
// writes one line, "begun", once everything that it holds open is under way, goes on
// until its stdin ends, and then writes one JSON object, counts by the names of the
// events.
package peers
