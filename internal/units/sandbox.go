package units

// restriction is one line of the sandbox.
type restriction struct {
	Setting
	systemOnly bool // only the system manager may set it up
}

func both(name, value string) restriction { return restriction{Setting{name, value}, false} }

func systemOnly(name, value string) restriction { return restriction{Setting{name, value}, true} }

// sandbox takes away everything that a service does not need if all comes through
// its sockets. It leaves open the needs of an upgrade: AF_UNIX for the notify
// socket and the handover, and the system calls that start a process.
func (s Service) sandbox() []Setting {
	var account, network []restriction
	if s.Account == "" {
		account = []restriction{systemOnly("DynamicUser", "yes")}
	} else {
		account = []restriction{systemOnly("User", escapeValue(s.Account))}
	}
	if s.Outbound {
		network = []restriction{both("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6")}
	} else {
		network = []restriction{
			systemOnly("PrivateNetwork", "yes"),
			systemOnly("IPAddressDeny", "any"),
			both("RestrictAddressFamilies", "AF_UNIX"),
		}
	}
	rest := []restriction{
		systemOnly("CapabilityBoundingSet", ""),
		both("NoNewPrivileges", "yes"),
		systemOnly("ProtectSystem", "strict"),
		systemOnly("ProtectHome", "yes"),
		systemOnly("PrivateTmp", "yes"),
		systemOnly("PrivateDevices", "yes"),
		systemOnly("PrivateUsers", "yes"),
		systemOnly("ProtectProc", "invisible"),
		systemOnly("ProcSubset", "pid"),
		systemOnly("ProtectClock", "yes"),
		systemOnly("ProtectControlGroups", "yes"),
		systemOnly("ProtectHostname", "yes"),
		systemOnly("ProtectKernelLogs", "yes"),
		systemOnly("ProtectKernelModules", "yes"),
		systemOnly("ProtectKernelTunables", "yes"),
		systemOnly("RemoveIPC", "yes"),
		both("LockPersonality", "yes"),
		both("MemoryDenyWriteExecute", "yes"),
		both("RestrictNamespaces", "yes"),
		both("RestrictRealtime", "yes"),
		both("RestrictSUIDSGID", "yes"),
		both("SystemCallArchitectures", "native"),
		both("SystemCallFilter", "@system-service"),
		both("SystemCallFilter", "~@privileged @resources"),
		both("UMask", "0077"),
	}
	var lines []Setting
	for _, group := range [][]restriction{account, network, rest} {
		for _, r := range group {
			if s.Scope == System || !r.systemOnly {
				lines = append(lines, r.Setting)
			}
		}
	}
	return lines
}
