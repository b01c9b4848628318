# shellcheck shell=bash
# What the shell tests share; sourced. Gives each test a folder of its own ($W), a configuration in it, and
# the words below. A test ends at the first thing that is not as expected.
set -eu -o pipefail
VZPKG_TOP=${VZPKG_TOP:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
VZPKG=${VZPKG:-$VZPKG_TOP/build/bin/vzpkg}
VZCTL=${VZPKG%/*}/vzctl
VZLIST=${VZPKG%/*}/vzlist
lib=$VZPKG_TOP/tests/lib

W=$(mktemp -d "${TMPDIR:-/dev/shm}/$(basename "$0").XXXXXX")
T=$W/template
children=()

# shellcheck disable=SC2317 # called by the trap
cleanup() {
	local pid state ctid mounted
	for state in "$W"/lock/*.state; do
		[ -e "$state" ] || continue
		ctid=$(basename "$state" .state)
		ctl -q --timeout 5 stop "$ctid" --fast >/dev/null 2>&1 || true
	done
	awk -v top="$W/" 'index($2, top) == 1 { print $2 }' /proc/mounts | tac | while read -r mounted; do umount -l "$mounted"; done
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
ctl() { "$VZCTL" --conf "$W/vz.conf" "$@"; }

# rootfs KIND…: small templates of these kinds are in the cache; see lib/make-rootfs.
rootfs() {
	local kind
	mkdir -p "$T/cache"
	for kind; do "$lib/make-rootfs" "$kind" "$T/cache/$kind.tar.gz" 2>"$W/err" || fail "making $kind"; done
}

# status CTID WORDS: what vzctl status prints, without the number.
status() {
	local ctid=$1
	shift
	expect 0 ctl status "$ctid"
	[ "$(cat "$W/out")" = "CTID $ctid $*" ] || fail "the status of $ctid is not $*"
}

# init_of CTID, monitor_of CTID: process numbers.
init_of() { sed -n 's/^INIT=//p' "$W/lock/$1.state"; }
# shellcheck disable=SC2317 # for tests
monitor_of() { sed -n 's/^MONITOR=//p' "$W/lock/$1.state"; }

# groups_of CTID: folders of its control groups, one a line. group_file CTID FILE: that file, in the group that has it, or nothing.
# shellcheck disable=SC2317 # for tests
groups_of() { sed -n "s/^GROUPS='\(.*\)'/\1/p" "$W/lock/$1.state" | tr ' ' '\n'; }
group_file() {
	local folder
	groups_of "$1" | while read -r folder; do
		[ ! -e "$folder/$2" ] || echo "$folder/$2"
	done | head -n 1
}

# until COMMAND…: waits until it succeeds, 20 s at most; PATIENCE is more on a machine that is slow.
until_true() {
	local end=$((SECONDS + ${PATIENCE:-20}))
	while [ $SECONDS -lt $end ]; do
		! "$@" >/dev/null 2>&1 </dev/null || return 0
		sleep 0.1
	done
	fail "$* does not become true"
}

# Nothing of any VE of this test is left. Control groups are compared at the end of a run.
no_ve_left() {
	local left
	left=$(find "$W/lock" "$W/private" "$W/conf" -mindepth 1 2>/dev/null |
		grep -vE '/lock/([0-9]+|names)\.lck$|/lock/ids$|\.conf\.destroyed$' || true)
	[ -z "$left" ] || fail "left: $left"
	no_traces
}

# expect CODE[|CODE…] COMMAND…: runs it with output to $W/out and $W/err, and checks its exit status.
expect() {
	local wanted=$1 status=0
	shift
	"$@" >"$W/out" 2>"$W/err" </dev/null || status=$?
	[[ "|$wanted|" == *"|$status|"* ]] || fail "$* ended with $status and not with $wanted"
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

# "vzctl reap" of a VE that was stopped ends a moment after "vzctl stop": it waits for the VE's lock to see that nothing is to do.
no_traces() {
	local tries=0
	! grep -q "$W" /proc/mounts || fail "mounts are left: $(grep "$W" /proc/mounts)"
	while pgrep -f "vzctl reap .*$W" >/dev/null && [ $((tries++)) -lt 50 ]; do sleep 0.1; done
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

# ---- small repositories of our own -------------------------------------------------------------------

# keys: the signing keys of lib/make-deb-repo, in $W/keys.
make_keys() { "$lib/make-deb-repo" keys "$W/keys" 2>"$W/err" || fail "making keys"; }

# repo FOLDER OPTION… <SPEC: a repository in $W/FOLDER; see lib/make-deb-repo.
repo() {
	local folder=$1
	shift
	"$lib/make-deb-repo" repo "$W/$folder" --keys "$W/keys" "$@" 2>"$W/err" || fail "making $folder"
}

# toy_template LINE…: the template toy-1 with one package, "hello", these repositories, and trust in the key "good".
toy_template() {
	local config=$T/toy/1/config
	mkdir -p "$config/gpgkeys"
	echo deb >"$config/package_manager"
	echo hello >"$config/packages"
	printf '%s\n' "$@" >"$config/repositories"
	cp "$W/keys/good.asc" "$config/gpgkeys/"
	cp "$W/keys/good.fpr" "$config/trust"
}

# serve FOLDER: serves $W/FOLDER by lib/faulty-server and sets $url; faults go to $W/rules, requests to $W/log.
# Its command line does not name $W, by which no_traces() finds what is left of a build.
serve() {
	: >"$W/rules"
	: >"$W/log"
	rm -f "$W/port"
	(cd "$W" && exec "$lib/faulty-server" --root "$1" --port-file port --rules rules --log log) &
	children+=($!)
	local try
	for try in {1..100}; do
		[ ! -s "$W/port" ] || break
		sleep 0.05
	done
	[ -s "$W/port" ] || fail "the server does not start ($try tries)"
	# shellcheck disable=SC2034 # for the test
	url=http://127.0.0.1:$(cat "$W/port")
}

# fault LINE…: the faults from now on; none without an argument. The server counts a line with COUNT
# through all of its life.
fault() { printf '%s\n' "$@" >"$W/rules"; }

# A run of its own: nothing of an earlier one is known.
fresh() { rm -rf "$T/pm" "$T/cache" "$T/tmp"; }

# refused CODE PATTERN…: building the toy template ends with CODE and says so; nothing is published or left.
refused() {
	local code=$1
	shift
	expect "$code" vz create-cache toy-1
	says "$@"
	nothing_left
}
