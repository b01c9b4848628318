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
	keep old
}

# keep old|new: the current cache, and its digest as $old or $new, to compare with: an emulated processor takes seconds for a digest.
keep() {
	cp "$cache" "$W/$1"
	printf -v "$1" '%s' "$(sha256sum <"$cache" | cut -d' ' -f1)"
}

# The digest of the cache, which is one of the two.
which_one() {
	if cmp -s "$cache" "$W/old"; then echo "$old"; elif [ -e "$W/new" ] && cmp -s "$cache" "$W/new"; then echo "$new"; else return 1; fi
}

# belongs FOLDER: checksum and manifest there are of the tarball with the digest $sum.
belongs() {
	grep -q "^$sum " "$1/$name.tar.gz.sha256" || fail "the checksum in $1"
	grep -q "\"gzip_sha256\": *\"$sum\"" "$1/$name.manifest.json" || fail "the manifest in $1"
}

# The cache is wholly the old or wholly the new one, and not the old one again; $sum is which.
published=
whole() {
	local generation
	sum=$(which_one) || fail "$cache is not there, or neither the old one nor the new one"
	[ "$sum" != "$new" ] || published=yes
	[ "$sum" != "$old" ] || [[ -z $published && $passed != *published* ]] || fail "it was the new one before"
	generation=$(find "$T/cache/.generations/$name" -samefile "$cache" -printf '%h')
	[ -n "$generation" ] || fail "$cache is of no generation"
	belongs "$generation"
	expect 0 vz list --cached
	prints "^$name "
}

# The next run is over: the three files belong together, and nothing of the lost one is left.
tidy() {
	sum=$(which_one) || fail "the next run has made something else"
	belongs "$T/cache"
	[ -z "$(ls -A "$T/tmp")" ] || fail "left in tmp/: $(ls -A "$T/tmp")"
	[ "$(find "$T/cache/.generations/$name" -mindepth 1 -maxdepth 1 -type d | wc -l)" -le 3 ] ||
		fail "too many generations: $(ls -A "$T/cache/.generations/$name")"
}
