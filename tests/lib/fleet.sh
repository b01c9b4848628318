# shellcheck shell=bash
# For tests of runs over many VEs; sourced after common.sh and toy-system.sh.

init=('Make-Members:' ' symlink sbin/init ../bin/busybox' ' dir var/lib/apt')
# mirror LINE…: hello, and what else there is, on a mirror that goes on.
mirror() {
	rm -rf "$T/pm/tops" "$T/pm/seen"
	printf '%s\n' 'Package: hello' "${init[@]}" '' "$@" | toy_system
}
app() { # NAME PACKAGE…
	mkdir -p "$T/toy/1/config/app/$1"
	printf '%s\n' "${@:2}" >"$T/toy/1/config/app/$1/packages"
}
# inside CTID COMMAND: in a VE, whether it runs or not.
inside() {
	local ctid=$1 status=0
	shift
	if ctl status "$ctid" | grep -q running; then
		ctl exec2 "$ctid" "$*" </dev/null
		return
	fi
	ctl -q mount "$ctid"
	chroot "$W/root/$ctid" sh -c "$*" </dev/null || status=$?
	ctl -q umount "$ctid"
	return $status
}
version() { inside "$1" "dpkg-query -W -f '\${Version} \${Status}' $2 2>/dev/null"; }
has() { # CTID PACKAGE VERSION
	[ "$(version "$1" "$2")" = "$3 install ok installed" ] || fail "$2 of $1 is \"$(version "$1" "$2")\" and not $3"
}
has_not() { [[ "$(version "$1" "$2")" != *" installed" ]] || fail "$1 has $2"; }

# states: of the last --json, "6501 changed; …"
states() { python3 -c 'import json, sys
print(*["%s %s" % (row["title"], row["state"]) for row in json.load(open(sys.argv[1]))["result"]["ves"]], sep="; ")' "$W/out"; }
states_are() {
	[ "$(states)" = "$1" ] || fail "states: $(states); errors:$(python3 -c 'import json, sys
for row in json.load(open(sys.argv[1]))["result"]["ves"]:
    if "error" in row: print("\n", row["ve"], row["error"]["message"], end="")' "$W/out")"
}
counter() { json "$W/out" "result.counters.$1"; }
# error_is CTID KIND PATTERN: (regular expressions) what the last --json says of a VE.
error_is() {
	python3 - "$W/out" "$@" <<-'EOT' || fail "the error of $1 is not $2: $3"
		import json, re, sys
		path, ctid, kind, pattern = sys.argv[1:]
		error = next(row["error"] for row in json.load(open(path))["result"]["ves"] if str(row["ve"]) == ctid)
		sys.exit(0 if re.fullmatch(kind, error["kind"]) and re.search(pattern, error["message"]) else print(error) or 1)
	EOT
}
fleet() { # CODE COMMAND…
	expect "$1" vz --json "${@:2}"
	valid output "$W/out"
	valid fleet "$W/out"
}

# own CTID: all that is the VE's own on disk, attributes and all.
own() {
	local part=upper
	[ -e "$W/private/$1/upper" ] || part=fs
	tar -C "$W/private/$1" --format=posix --pax-option=delete=atime,delete=ctime --sort=name --numeric-owner --acls --xattrs \
		--xattrs-include='*' --warning=no-file-ignored -c $part | sha256sum
}
# undone ROW: of the last --json, that VE has failed and was taken back.
undone() {
	[ "$(json "$W/out" "result.ves.$1.state") $(json "$W/out" "result.ves.$1.undone") $(json "$W/out" "result.ves.$1.not_undone")" = "failed true []" ] ||
		fail "what has become of it is not told: $(json "$W/out" "result.ves.$1")"
}

declare -A begun
# shellcheck disable=SC2317 # called by the trap
end_runs() {
	local pid
	for pid in "${begun[@]}"; do kill -KILL "$pid" 2>/dev/null || true; done
	cleanup
}
trap end_runs EXIT

# begin NAME COMMAND…: in the background, as the leader of a process group, ${begun[NAME]}. ended CODE NAME: waits for it.
begin() {
	setsid env --default-signal=INT,TERM "$VZPKG" --conf "$W/vz.conf" "${@:2}" >"$W/$1.out" 2>"$W/$1.err" </dev/null &
	begun[$1]=$!
}
ended() {
	local status=0
	{ wait "${begun[$2]}" || status=$?; } 2>/dev/null
	unset "begun[$2]"
	cp "$W/$2.out" "$W/out"
	cp "$W/$2.err" "$W/err"
	[ "$status" = "$1" ] || fail "the run \"$2\" ended with $status and not with $1"
}

# The package "moody", whose script does as /etc/mood says: what it begins is known by its environment.
# shellcheck disable=SC2016,SC2034 # the package's; for tests
moody=('Package: moody' 'Make-Postinst:' ' #!/bin/sh' ' case $(cat /etc/mood 2>/dev/null) in'
	' fail) echo "in a bad mood" >&2; exit 7 ;;'
	' hang) sleep 98765 & setsid sleep 98765 & exec sleep 98765 ;;'
	' wait) until [ -e /tmp/go ]; do sleep 0.05; done; rm /tmp/go ;;'
	' esac')
mood() { inside "$1" "echo $2 >/etc/mood"; }
# script_of CTID: its process.
script_of() {
	local pid
	for pid in $(pgrep -f 'moody\.postinst configure'); do
		! tr '\0' '\n' <"/proc/$pid/environ" 2>/dev/null | grep -qx "VEID=$1" || echo "$pid"
	done | grep -m 1 .
}
no_script_of() { ! script_of "$1"; }
# go CTID: that script, which waits, ends.
go() { nsenter -t "$(script_of "$1")" -U -m touch /tmp/go; }
no_sleeper() { ! pgrep -fx 'sleep 98765'; }

# Nothing of a run is left, and no journal.
no_run_left() {
	local left
	left=$(find "$T/tmp" "$T/fleet" -mindepth 1 2>/dev/null; find "$T/pm" -maxdepth 1 -name 'share*' 2>/dev/null; find "$W/lock" -name '*.packages.lck')
	[ -z "$left" ] || fail "left: $left"
	! grep -q " $T/" /proc/mounts || fail "mounts are left: $(grep " $T/" /proc/mounts)"
}
