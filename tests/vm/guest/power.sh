# shellcheck shell=bash
# A disk whose writes are logged (dm-log-writes), and what is on it if the power fails at some moment; sourced after
# lib/common.sh. All that vzpkg and vzctl write is in $D, the disk's folder.
log=/dev/vdb data=/dev/vdc replay=/dev/vdd
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
D=$W/disk
T=$D/template
mkdir "$D"
printf 'TEMPLATE="%s"\nLOCKDIR="%s"\nVE_ROOT="%s"\nVE_PRIVATE="%s"\nVE_CONFDIR="%s"\n' \
	"$T" "$D/lock" "$D/root/\$VEID" "$D/private/\$VEID" "$D/conf" >"$W/vz.conf"

# shellcheck disable=SC2317 # called by the trap
power_cleanup() {
	! mountpoint -q "$D" || umount -R -l "$D" || true
	dmsetup remove -f now 2>/dev/null || true
	dmsetup remove -f logged 2>/dev/null || true
	cleanup
}
trap power_cleanup EXIT

# base COMMAND: a new disk, on which COMMAND puts what was there before the log begins.
base() {
	mkfs.ext4 -q -F -E lazy_itable_init=0,lazy_journal_init=0,nodiscard $data
	mount $data "$D"
	"$@"
	umount "$D"
	dd if=$data of=$replay bs=1M status=none conv=fsync
}

# logged COMMAND: runs it on the disk. mark NAME, in it: what is done by now has to last.
logged() {
	modprobe dm-log-writes
	dmsetup create logged --table "0 $(blockdev --getsz $data) log-writes $data $log"
	mount /dev/mapper/logged "$D"
	"$@"
	umount "$D"
	dmsetup remove logged
	"$here/replay-log" list $log >"$W/stops" || fail "the log"
	echo "$(wc -l <"$W/stops") flushes, forced writes and marks; $(tail -n 1 "$W/stops")"
	! grep -q . <(dmesg | grep -i 'log-writes.*error') || fail "$(dmesg | grep log-writes)"
}
mark() { dmsetup message logged 0 mark "$1"; }

# after_each COMMAND: the power fails at each stop (or at some: the marks, the last ones, and a few before), the disk is
# mounted again, and COMMAND looks. $passed has the marks that lie before; $thorough is set at the first, the marks and the last ones, for what
# takes too long to be done each time.
after_each() {
	local end words number label from=0 count chosen=0
	count=$(wc -l <"$W/stops")
	local every=$(((count + 9) / 10))
	passed=
	modprobe dm-snapshot
	modprobe loop
	truncate -s 1G "$W/changes"
	while read -r end words number label; do
		chosen=$((chosen + 1))
		[ "$words" != mark ] || passed="$passed $label"
		[ -n "${VM_FULL:-}" ] || [ "$words" = mark ] || [ $((count - chosen)) -lt 8 ] ||
			[ $((chosen % every)) = 0 ] || continue
		"$here/replay-log" copy $log $replay "$from" "$end"
		from=$end
		# What the look itself changes is in a file of its own, so that the replay can go on.
		loop=$(losetup -f --show "$W/changes")
		dmsetup create now --table "0 $(blockdev --getsz $replay) snapshot $replay $loop N 8"
		mount /dev/mapper/now "$D"
		echo "power lost after the entry $number ($words)$passed"
		thorough=
		[ "$words" != mark ] && [ $((count - chosen)) -ge 8 ] && [ "$looked" -gt 0 ] || thorough=yes
		"$@"
		umount "$D"
		dmsetup remove now
		losetup -d "$loop"
		looked=$((looked + 1))
	done <"$W/stops"
	[ "$looked" -gt 3 ] || fail "there were only $looked moments to look at"
}
looked=0 passed= thorough=
