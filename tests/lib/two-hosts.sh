# shellcheck shell=bash
# Two installations that reach each other by ssh, for tests of moving VEs; sourced after common.sh. The test runs in a network namespace of its own, where
# sshd listens on loopback: vz.conf is one host's, b/vz.conf the other's.
# shellcheck disable=SC2034,SC2154 # what is set here is for the tests

B=$W/b
# What runs on the other host ends with the test, too.
# shellcheck disable=SC2317 # called by the trap
cleanup_both() {
	local state
	for state in "$B"/lock/*.state; do
		[ ! -e "$state" ] || ctl_b -q --timeout 5 stop "$(basename "$state" .state)" --fast >/dev/null 2>&1 || true
	done
	cleanup
}
trap cleanup_both EXIT
ssh_port=2222
two_hosts() {
	mkdir -p "$B" "$W/ssh" /run/sshd
	sed "s,$W/,$B/,g" "$W/vz.conf" >"$B/vz.conf"
	ip link set lo up
	ssh-keygen -q -t ed25519 -N '' -f "$W/ssh/host"
	ssh-keygen -q -t ed25519 -N '' -f "$W/ssh/user"
	cp "$W/ssh/user.pub" "$W/ssh/authorized"
	printf '%s\n' "Port $ssh_port" 'ListenAddress 127.0.0.1' "HostKey $W/ssh/host" "AuthorizedKeysFile $W/ssh/authorized" \
		'StrictModes no' 'UsePAM no' 'PermitRootLogin yes' 'PidFile none' 'PrintMotd no' >"$W/ssh/config"
	# Its command line does not name $W, by which no_traces() finds what is left.
	(cd "$W/ssh" && exec /usr/sbin/sshd -D -f config) 2>"$W/ssh/log" &
	children+=($!)
	printf '%s\n' "-p $ssh_port -i $W/ssh/user -F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR" \
		>"$W/ssh/options"
	# What runs on the other host; a test may put something in its way.
	printf '#!/bin/sh\nexec "%s" "$@"\n' "${VZPKG%/*}/vzmigrate" >"$W/there"
	chmod +x "$W/there"
	until_true ssh_works
}
ssh_works() {
	# shellcheck disable=SC2046 # words
	ssh $(cat "$W/ssh/options") 127.0.0.1 true
}

# shellcheck disable=SC2317 # for tests
vz_b() { "$VZPKG" --conf "$B/vz.conf" "$@"; }
ctl_b() { "$VZCTL" --conf "$B/vz.conf" "$@"; }

# migrate WORDS…: from this host to the other.
migrate() {
	"${VZPKG%/*}/vzmigrate" --conf "$W/vz.conf" --ssh "$(cat "$W/ssh/options")" --dst-conf "$B/vz.conf" --dst-program "$W/there" "$@"
}
# From the other to this one.
migrate_back() {
	"${VZPKG%/*}/vzmigrate" --conf "$B/vz.conf" --ssh "$(cat "$W/ssh/options")" --dst-conf "$W/vz.conf" --dst-program "$W/there" "$@"
}

# status_b CTID WORDS
status_b() {
	local ctid=$1
	shift
	expect 0 ctl_b status "$ctid"
	[ "$(cat "$W/out")" = "CTID $ctid $*" ] || fail "on the other host the status of $ctid is not $*"
}
