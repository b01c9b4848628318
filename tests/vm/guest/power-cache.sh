# shellcheck shell=bash
# A template on the logged disk, of which there are two versions; sourced after power.sh, which sets $passed. The test sets $new.
# shellcheck disable=SC2154
name="debian-12-x86_64"
cache=$T/cache/$name.tar.gz
debian=file:///opt/mirror/debian

# One repository, whose content is that of a version.
build() { # VERSION OPTION…
	ln -sfn "/opt/repo/$1" "$W/repo"
	shift
	vz --repository "$debian bookworm main" --repository "$debian bookworm-updates main" \
		--repository "$debian-security bookworm-security main" --repository "file://$W/repo test main" \
		"$@" debian-12
}

first() {
	local config=$T/debian/12/config
	mkdir -p "$T/debian"
	cp -RL "$VZPKG_TOP/templates/debian/config" "$VZPKG_TOP/templates/debian/12" "$T/debian/"
	rm -rf "$config/os"
	echo sample >"$config/packages"
	cp /opt/repo/good.asc "$config/gpgkeys/"
	cat /opt/repo/good.fpr >>"$config/trust"
	expect 0 build 1 create-cache
	old=$(sha256sum <"$cache")
}

# The cache is wholly the old or wholly the new one, and not the old one again; $sum is which.
published=
whole() {
	local generation
	sum=$(sha256sum <"$cache") || fail "$cache is not there"
	case $sum in
	"$old") [[ -z $published && $passed != *published* ]] || fail "it was the new one before" ;;
	"$new") published=yes ;;
	*) fail "$cache is neither the old one nor the new one" ;;
	esac
	generation=$(find "$T/cache/.generations/$name" -samefile "$cache" -printf '%h')
	[ -n "$generation" ] || fail "$cache is of no generation"
	(cd "$generation" && sha256sum -c --quiet ./*.sha256) || fail "the checksum in $generation"
	[ "$(json "$(echo "$generation"/*.manifest.json)" image.gzip_sha256)" = "${sum%% *}" ] || fail "the manifest in $generation"
	expect 0 vz list --cached
	prints "^$name "
}

# The next run is over: the three files belong together, and nothing of the lost one is left.
tidy() {
	sum=$(sha256sum <"$cache")
	(cd "$T/cache" && sha256sum -c --quiet "$name.tar.gz.sha256") || fail "the checksum beside it"
	[ "$(json "$T/cache/$name.manifest.json" image.gzip_sha256)" = "${sum%% *}" ] || fail "the manifest beside it"
	[ -z "$(ls -A "$T/tmp")" ] || fail "left in tmp/: $(ls -A "$T/tmp")"
	[ "$(find "$T/cache/.generations/$name" -mindepth 1 -maxdepth 1 -type d | wc -l)" -le 3 ] ||
		fail "too many generations: $(ls -A "$T/cache/.generations/$name")"
}
