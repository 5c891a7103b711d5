set -eu
root=$1

# An empty machine-id means: not the first boot, and a fresh transient ID each
# time. (A missing one would make PID 1 reset every unit to its preset.)
: >"$root/etc/machine-id"

# mmdebstrap copies these from the host; the machine is named by systemd-nspawn.
rm -f "$root/etc/hostname" "$root/etc/resolv.conf"

# Nothing may run in a machine that a test didn't start.
for unit in getty.target console-getty.service systemd-pstore.service \
	apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
	e2scrub_all.timer e2scrub_reap.service fstrim.timer; do
	ln -sf /dev/null "$root/etc/systemd/system/$unit"
done

# A user whose manager tests can talk to.
chroot "$root" useradd --uid 1000 --create-home --shell /bin/sh instar

# /etc and /var are newer than /usr: spares ldconfig and its like at each boot.
touch "$root/etc/.updated" "$root/var/.updated"
