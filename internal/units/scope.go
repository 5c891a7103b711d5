package units

// Scope says whose systemd is meant.
type Scope int

const (
	System Scope = iota // the machine's: systemctl --system
	User                // the user's: systemctl --user
)

func (s Scope) String() string {
	if s == User {
		return "user"
	}
	return "system"
}
