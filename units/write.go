package units

import "github.com/instar-project/instar/internal/units"

// ErrInvalid is in the error of [Write] when a [Service] makes no sense.
var ErrInvalid = units.ErrInvalid

// A File is a unit file: its name, such as "web.socket", and its text.
type File struct{ Name, Text string }

// Write renders the unit files of a service: the .service first, then a .socket
// for each of its Sockets. The same Service gives the same text. Nothing is
// written to disk.
//
// The error has [ErrInvalid] and names every field that is wrong.
func Write(s Service) ([]File, error) {
	written, err := units.Write(s.internal())
	files := make([]File, len(written))
	for i, f := range written {
		files[i] = File(f)
	}
	return files, err
}
