package sdstore

import (
	"fmt"
	"os"
	"strconv"
)

// quotaVariable holds FileDescriptorStoreMax= for the processes of the unit. It
// is set by systemd 254 and later, and only if the store is enabled.
const quotaVariable = "FDSTORE"

const quotaAdvice = "set FileDescriptorStoreMax= and NotifyAccess=main in the [Service] section (systemd 254 or later)"

// Quota is how many entries the service's store may have, as os.Getenv("FDSTORE")
// says. Without the variable, or if it is "0", Quota returns 0 and no error: there is
// no store, and a [Store] opened with Max 0 answers every change with [ErrNoStore].
func Quota() (int, error) { return ParseQuota(os.LookupEnv) }

// ParseQuota is [Quota] for any environment.
func ParseQuota(lookup func(key string) (string, bool)) (int, error) {
	value, ok := lookup(quotaVariable)
	if !ok {
		return 0, nil
	}
	n, err := strconv.ParseUint(value, 10, 31)
	// ParseUint takes no sign and no space, but it does take leading zeros.
	if err != nil || strconv.FormatUint(n, 10) != value {
		return 0, fmt.Errorf("sdstore: $%s is %q, not the number of entries that systemd.exec(5) says: leave it to systemd, and %s", quotaVariable, value, quotaAdvice)
	}
	return int(n), nil
}
