package units

import (
	"fmt"
	"strconv"
	"strings"
)

// Rules for the store that systemd keeps for the service.
var storeRules = []Rule{{
	ID: "store-max", Severity: Error, Man: "systemd.service(5)", live: true,
	Summary: "FileDescriptorStoreMax= for a service that keeps state",
	check: func(p Pair, o Options, report reporter) {
		u := p.Service
		if p.Running != nil {
			o.Store = max(o.Store, p.Running.Keeps)
		}
		d, _ := u.last("Service", "FileDescriptorStoreMax")
		have := u.burst("Service", "FileDescriptorStoreMax", 0)
		switch write := "FileDescriptorStoreMax=" + strconv.Itoa(o.Store); {
		case o.Store <= 0 || have >= uint64(o.Store):
		case have == 0:
			report(u, d, "without FileDescriptorStoreMax= systemd closes the entries that the service wants kept", write)
		default:
			report(u, d, fmt.Sprintf("the service wants %d entries kept, and systemd closes all but %d", o.Store, have), write)
		}
	},
}, {
	ID: "store-user", Severity: Hint, Man: "unix(7)",
	Summary: "a user for each service that keeps connections",
	check: func(p Pair, _ Options, report reporter) {
		u := p.Service
		if !u.stores() {
			return
		}
		var others []string
		for _, other := range p.SameUser {
			others = append(others, other.Name)
		}
		if t := template(u.Name); t != "" && len(others) == 0 {
			prefix, _, _ := strings.Cut(t, "@")
			other := &Unit{Name: prefix + "@another.service", Directives: u.Directives}
			if other.user() == u.user() {
				others = append(others, "another instance of "+t)
			}
		}
		if len(others) > 0 {
			at, _ := u.last("Service", "User")
			report(u, at, fmt.Sprintf("%s runs as the user %s too, and the kernel counts the connections that both keep in bundles as one (ETOOMANYREFS): one that fills LimitNOFILE= leaves none to the other; give each a User= of its own, or all a LimitNOFILE= beyond the sum", strings.Join(others, ", "), u.user()), "")
		}
	},
}, {
	ID: "store-systemd", Severity: Warning, Man: "systemd.service(5)",
	Summary: "no store on systemd 255 and 256",
	check: onService(func(u *Unit, o Options, report reporter) {
		d, _ := u.last("Service", "FileDescriptorStoreMax")
		if (o.Systemd == 255 || o.Systemd == 256) && (u.burst("Service", "FileDescriptorStoreMax", 0) > 0 || o.Store > 0) {
			report(u, d, fmt.Sprintf("systemd %d may abort, and the machine with it, when FileDescriptorStoreMax= is taken away while the store has entries (https://github.com/systemd/systemd/issues/35288): before such a change, or a rollback to a unit without a store, stop the service and run systemctl clean --what=fdstore %s", o.Systemd, u.Name), "")
		}
	}),
}}
