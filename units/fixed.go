package units

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// FixedSettings are the directives of [Service] that a process gets when systemd
// starts it and has until it ends, so that a reload cannot change them: whatever
// its successor is, it comes out of the same process. Command lines, environment
// and what systemd applies to a running unit (see systemctl set-property) are not
// among them.
func FixedSettings() []string {
	var all []string
	for _, directive := range fixedProperties {
		all = append(all, directive)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// fixedProperties are the directives by the D-Bus properties that show them. What a
// version of systemd does not have it leaves out.
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
		WorkingDirectory RootDirectory RootImage RootImageOptions RootEphemeral RootHash RootVerity
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
		LoadCredential LoadCredentialEncrypted ImportCredential
		StandardInput StandardOutput StandardError SyslogIdentifier LogNamespace TTYPath
		UMask CoredumpFilter KeyringMode OOMScoreAdjust IgnoreSIGPIPE Personality MemoryKSM
		Nice CPUSchedulingPolicy CPUSchedulingPriority CPUSchedulingResetOnFork CPUAffinity
		NUMAPolicy NUMAMask IOSchedulingClass IOSchedulingPriority`) {
		all[same] = same
		// Where a setting has got more values than its property can say.
		all[same+"Ex"] = same
	}
	return all
}()

// fixed are the values of the fixed settings.
func (p properties) fixed() map[string]string {
	all := make(map[string]string)
	for _, name := range slices.Sorted(maps.Keys(fixedProperties)) {
		if value, ok := p[name]; ok {
			all[fixedProperties[name]] += fmt.Sprintf("%v;", value)
		}
	}
	return all
}
