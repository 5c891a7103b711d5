// Package units holds the unit files of integration/faulty.
package units

import _ "embed"

// The templates; an instance's name is its port.
var (
	//go:embed faulty@.socket
	Socket string
	//go:embed faulty@.service
	Service string
)
