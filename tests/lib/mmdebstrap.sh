# shellcheck shell=bash
# Trees of vzpkg and of mmdebstrap from the same package files, compared; sourced after common.sh.

# What differs in every tree, by paths from its top:
different_by_design=(
	'etc/(hostname|resolv\.conf)$'       # the host's: mmdebstrap copies them
	'etc/machine-id$'                    # empty in both; mmdebstrap makes a new file
	'etc/fstab$'                         # mmdebstrap makes an empty one
	'etc/apt/sources\.list$'             # the guest's public repositories, not the build's mirror
	'etc/[a-z]+-$'                       # older states that passwd keeps
	'var/lib/dpkg/[a-z]+-old$'           # the same of dpkg
	'var/lib/dpkg/lock'
	'var/lib/dpkg/triggers/Lock$'
	'var/lib/dpkg/arch$'                 # mmdebstrap writes the native architecture, which dpkg knows anyway
	'var/cache/debconf/.*-old$'
	'var/(lib/apt/lists|cache/apt/archives)/' # apt has run in one and not in the other: partial/ belongs to _apt
	'usr/bin/(gunzip|uncompress)$'       # one file with two names in gzip's package and ours; two files in mmdebstrap's
	'var/lib/apt/extended_states$'       # mmdebstrap lets apt install only what is not essential, so that the essential
	                                     # packages' dependencies are not marked automatic
)

# their_tree FOLDER EPOCH OPTION…: mmdebstrap's of Debian 12 into FOLDER, with that clock for what it writes down.
their_tree() {
	local folder=$1 epoch=$2
	shift 2
	mkdir -p "$W/tmp"
	SOURCE_DATE_EPOCH=$epoch TMPDIR=$W/tmp expect 0 mmdebstrap --variant=minbase "$@" bookworm \
		"$W/theirs.tar" "$(mirror_url)/debian"
	unpacked "$folder" -f "$W/theirs.tar"
	rm "$W/theirs.tar"
}

# unpacked FOLDER OPTION…: with all that a tarball holds.
unpacked() {
	mkdir -p "$1"
	tar -C "$1" --numeric-owner --xattrs '--xattrs-include=*' -xp "${@:2}"
}

# compared OURS THEIRS [REGEX…]: these paths may differ too.
compared() {
	local ours=$1 theirs=$2 regex options=()
	shift 2
	for regex in "${different_by_design[@]}" "$@"; do options+=(--except "$regex"); done
	"$VZPKG_TOP/tests/lib/compare-trees" "${options[@]}" "$ours" "$theirs" >"$W/out" 2>"$W/err" || { cat "$W/out" && fail "the trees differ"; }
	tail -n 1 "$W/out"
}
