package units

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// FixedSettings are the directives of [Service] that only a start applies: those that a
// process gets from systemd and has until it ends, so that its successor, which comes out
// of it, has them too; and commands that a reload does not run. ExecStart=, the
// environment, WorkingDirectory=, and settings that systemd applies to a running unit
// (see systemctl set-property) are not among them.
func FixedSettings() []string {
	var all []string
	for _, directive := range fixedProperties {
		all = append(all, directive)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// fixedProperties are the directives by the D-Bus properties that show them. A
// version of systemd leaves out those that it does not have.
var fixedProperties = func() map[string]string {
	all := map[string]string{
		"TimerSlackNSec": "TimerSlackNSec", "WatchdogUSec": "WatchdogSec",
		"FileDescriptorStoreMax": "FileDescriptorStoreMax",
	}
	for _, limit := range []string{
		"CPU", "FSIZE", "DATA", "STACK", "CORE", "RSS", "NOFILE", "AS", "NPROC", "MEMLOCK",
		"LOCKS", "SIGPENDING", "MSGQUEUE", "NICE", "RTPRIO", "RTTIME",
	} {
		all["Limit"+limit], all["Limit"+limit+"Soft"] = "Limit"+limit, "Limit"+limit
	}
	for _, same := range strings.Fields(`
		Slice Delegate
		User Group DynamicUser SupplementaryGroups SetLoginEnvironment PAMName
		CapabilityBoundingSet AmbientCapabilities NoNewPrivileges SecureBits
		SELinuxContext AppArmorProfile SmackProcessLabel
		RootDirectory RootImage RootImageOptions RootEphemeral RootHash RootVerity
		ExtensionImages ExtensionDirectories MountImages MountAPIVFS MountFlags PrivateMounts
		BindPaths BindReadOnlyPaths BindLogSockets ReadWritePaths ReadOnlyPaths InaccessiblePaths
		ExecPaths NoExecPaths TemporaryFileSystem
		ProtectProc ProcSubset ProtectSystem ProtectHome ProtectClock ProtectHostname
		ProtectKernelTunables ProtectKernelModules ProtectKernelLogs ProtectControlGroups
		PrivateTmp PrivateDevices PrivateNetwork PrivateIPC PrivatePIDs PrivateUsers PrivateBPF
		NetworkNamespacePath IPCNamespacePath UserNamespacePath
		LockPersonality MemoryDenyWriteExecute RestrictRealtime RestrictSUIDSGID RestrictNamespaces
		RestrictFileSystems RestrictAddressFamilies
		SystemCallFilter SystemCallArchitectures SystemCallErrorNumber SystemCallLog
		RuntimeDirectory RuntimeDirectoryMode StateDirectory StateDirectoryMode CacheDirectory
		CacheDirectoryMode LogsDirectory LogsDirectoryMode ConfigurationDirectory ConfigurationDirectoryMode
		LoadCredential LoadCredentialEncrypted SetCredential SetCredentialEncrypted ImportCredential
		PassEnvironment ExecCondition ExecStartPre ExecStartPost
		StandardInput StandardOutput StandardError SyslogIdentifier LogNamespace TTYPath
		UMask CoredumpFilter KeyringMode OOMScoreAdjust IgnoreSIGPIPE Personality MemoryKSM
		Nice CPUSchedulingPolicy CPUSchedulingPriority CPUSchedulingResetOnFork CPUAffinity
		NUMAPolicy NUMAMask IOSchedulingClass IOSchedulingPriority`) {
		all[same] = same
		if strings.HasPrefix(same, "Exec") {
			continue
		}
		// Where a setting has got more values than its property can say.
		all[same+"Ex"] = same
	}
	return all
}()

// fixed are the values of the fixed settings.
func (p properties) fixed() map[string]string {
	values := make(map[string][]string)
	for _, name := range slices.Sorted(maps.Keys(fixedProperties)) {
		if value, ok := p[name]; ok {
			directive := fixedProperties[name]
			values[directive] = append(values[directive], fixedValue(directive, value))
		}
	}
	all := make(map[string]string)
	for directive, v := range values {
		all[directive] = strings.Join(slices.Compact(v), " ")
	}
	return all
}

// fixedValue is the value of a property, the same whenever it is asked for.
func fixedValue(directive string, value any) string {
	switch {
	case slices.Contains([]string{"ExecCondition", "ExecStartPre", "ExecStartPost"}, directive):
		return strings.Join(readCommands(value), "; ") // without when it has run
	case strings.HasSuffix(directive, "Credential"), strings.HasSuffix(directive, "CredentialEncrypted"):
		// systemd lists them in the order of a hash table.
		if list, ok := value.([][]any); ok {
			value = slices.SortedFunc(slices.Values(list), func(a, b []any) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		}
	}
	switch v := value.(type) {
	case []string:
		return strings.Join(v, " ")
	case uint64:
		if v == math.MaxUint64 {
			return "infinity"
		}
	}
	return fmt.Sprint(value)
}
