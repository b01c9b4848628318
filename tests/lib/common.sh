# shellcheck shell=bash
# What the shell tests share; sourced. Gives each test a folder of its own ($W), a configuration in it, and
# the words below. A test ends at the first thing that is not as expected.
set -eu -o pipefail
VZPKG_TOP=${VZPKG_TOP:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
VZPKG=${VZPKG:-$VZPKG_TOP/build/bin/vzpkg}
lib=$VZPKG_TOP/tests/lib
keys=$VZPKG_TOP/templates/debian/12/config/gpgkeys

W=$(mktemp -d "${TMPDIR:-/dev/shm}/$(basename "$0").XXXXXX")
T=$W/template
children=()

# shellcheck disable=SC2317 # called by the trap
cleanup() {
	local pid
	for pid in "${children[@]}"; do kill "$pid" 2>/dev/null || true; done
	rm -rf "$W"
}
trap cleanup EXIT

printf 'TEMPLATE="%s"\nLOCKDIR="%s"\nVE_ROOT="%s"\nVE_PRIVATE="%s"\nVE_CONFDIR="%s"\n' \
	"$T" "$W/lock" "$W/root/\$VEID" "$W/private/\$VEID" "$W/conf" >"$W/vz.conf"

fail() {
	echo "FAILED: $*"
	[ ! -s "$W/out" ] || sed 's/^/  stdout: /' "$W/out" | tail -n 20
	[ ! -s "$W/err" ] || sed 's/^/  stderr: /' "$W/err" | tail -n 20
	exit 1
}

step() { echo "-- $*"; }

vz() { "$VZPKG" --conf "$W/vz.conf" "$@"; }

# expect CODE COMMAND…: runs it with output to $W/out and $W/err, and checks its exit status.
expect() {
	local wanted=$1 status=0
	shift
	"$@" >"$W/out" 2>"$W/err" </dev/null || status=$?
	[ "$status" = "$wanted" ] || fail "$* ended with $status and not with $wanted"
}

# says PATTERN…: standard error of the last expect() matches each (extended, case ignored).
says() {
	local pattern
	for pattern; do
		grep -qiE -- "$pattern" "$W/err" || fail "stderr does not say \"$pattern\""
	done
}

prints() {
	local pattern
	for pattern; do
		grep -qE -- "$pattern" "$W/out" || fail "stdout does not say \"$pattern\""
	done
}

# Nothing was published, and nothing of a build is left: no work folder, no half a generation, no
# mount, no process, no cgroup.
nothing_left() {
	[ -z "$(ls -A "$T/tmp" 2>/dev/null)" ] || fail "left in tmp/: $(ls -A "$T/tmp")"
	[ -z "$(find "$T/cache" -type f 2>/dev/null | grep -v '/\.generations/.*lock')" ] ||
		fail "left in cache/: $(find "$T/cache" -type f)"
	no_traces
}

no_traces() {
	! grep -q "$W" /proc/mounts || fail "mounts are left: $(grep "$W" /proc/mounts)"
	! pgrep -f "$W" >/dev/null || fail "processes are left: $(pgrep -fa "$W")"
}

# mirror_url: the loopback mirror's URL; it is shared by all tests of a run.
mirror_url() {
	local dir=${TMPDIR:-/dev/shm}/mirror
	"$lib/mirror" start "$dir"
}

# one_field FILE PATH: a value of a JSON file, by a path such as result.packages.0.name
json() {
	python3 - "$1" "$2" <<-'EOF'
		import json, sys
		value = json.load(open(sys.argv[1]))
		for part in sys.argv[2].split("."):
		    value = value[int(part)] if isinstance(value, list) else value[part]
		print(value if isinstance(value, str) else json.dumps(value))
	EOF
}

# valid SCHEMA FILE: the JSON file is what doc/SCHEMA.schema.json describes.
valid() {
	python3 - "$VZPKG_TOP/doc/$1.schema.json" "$2" <<-'EOF' || fail "$2 is not what $1.schema.json describes"
		import json, sys, jsonschema
		jsonschema.validate(json.load(open(sys.argv[2])), json.load(open(sys.argv[1])))
	EOF
}
