package units

import (
	"fmt"
	"strconv"
)

// What systemd keeps for the service.
var storeRules = []Rule{{
	ID: "store-max", Severity: Error, Man: "systemd.service(5)",
	Summary: "FileDescriptorStoreMax= for what the service keeps",
	check: onService(func(u *Unit, o Options, report reporter) {
		d, _ := u.last("Service", "FileDescriptorStoreMax")
		have := u.burst("Service", "FileDescriptorStoreMax", 0)
		switch write := "FileDescriptorStoreMax=" + strconv.Itoa(o.Store); {
		case o.Store <= 0 || have >= uint64(o.Store):
		case have == 0:
			report(u, d, "without FileDescriptorStoreMax= systemd closes what the service wants kept", write)
		default:
			report(u, d, fmt.Sprintf("of %d entries that the service wants kept systemd closes all but %d", o.Store, have), write)
		}
	}),
}}
