# shellcheck shell=bash
# For tests that kill vzctl at its system calls. Sourced after common.sh.
# shellcheck disable=SC2034,SC2154 # what is set here is for the tests

# trace COMMAND…: sets calls to the system calls that vzctl makes in it: NAME:N for the Nth of that name.
trace() {
	strace -qq -o "$W/trace" "$VZCTL" --conf "$W/vz.conf" -q "$@" >"$W/out" 2>"$W/err" </dev/null ||
		fail "$* ended with $?"
	mapfile -t calls < <(grep -oE '^[a-z_0-9]+\(' "$W/trace" | tr -d '(' | grep -vE '^(execve|exit_group)$' |
		awk '{ print $1 ":" ++count[$1] }')
}

# killed CALL COMMAND…: vzctl is killed when it enters that call. Counts in tried, and in missed what was not killed.
killed() {
	local call=$1 status=0
	shift
	{
		strace -qq -o /dev/null -e "inject=${call%:*}:signal=KILL:when=${call#*:}" "$VZCTL" \
			--conf "$W/vz.conf" -q "$@" >"$W/out" 2>"$W/err" </dev/null
	} 2>/dev/null || status=$?
	# A call more or less in one run is no mistake.
	[ $status = 137 ] || missed=$((missed + 1))
	tried=$((tried + 1))
}
missed=0 tried=0

# enough_killed: at the end.
enough_killed() {
	step "$((tried - missed)) of $tried runs were killed"
	[ $((missed * 10)) -lt $tried ] || fail "too many were not"
}
