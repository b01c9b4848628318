# shellcheck shell=bash
# A distribution that is built in half a second, for tests that build hundreds of times; sourced after common.sh. Its
# essential packages are "base" (busybox) and "dpkg" (the host's own, with its libraries); the template toy-1 adds
# "hello".

# shellcheck disable=SC2034 # for the tests
toy_cache=$T/cache/toy-1-x86_64.tar.gz

# toy_essential: the paragraphs of base and dpkg.
toy_essential() {
	local busybox file
	busybox=$(command -v busybox)
	cat <<-EOT
		Package: base
		Essential: yes
		Make-Compression: gz
		Make-Members:
		 copy bin/busybox $busybox
		 script sbin/ldconfig #!/bin/sh
		 file etc/passwd root:x:0:0:root:/root:/bin/sh
		 file etc/group root:x:0:
		 file etc/apt/placeholder
		 file var/log/wtmp some bytes
		 dir root
	EOT
	for file in ash cat chmod cp dd diff dirname dmesg echo find grep head kill ln ls mkdir mkfifo mknod mount mv nc \
		readlink rm rmdir sed setsid sh sleep start-stop-daemon touch tr wc; do
		echo " symlink bin/$file busybox"
	done
	cat <<-EOT

		Package: dpkg
		Version: $(dpkg-query -W -f '${Version}' dpkg)
		Essential: yes
		Make-Compression: gz
		Make-Members:
		 copy usr/bin/dpkg $(command -v dpkg)
		 copy usr/bin/dpkg-deb $(command -v dpkg-deb)
		 copy usr/bin/dpkg-split $(command -v dpkg-split)
		 copy usr/bin/dpkg-query $(command -v dpkg-query)
		 copy usr/bin/tar $(command -v tar)
	EOT
	ldd "$(command -v dpkg)" "$(command -v dpkg-deb)" "$(command -v dpkg-query)" "$(command -v tar)" | grep -oE '/[^ ]+\.so[^ ]*' | sort -u | while read -r file; do
		echo " copy ${file#/} $(readlink -f "$file")"
	done
}

# toy_system [OPTION…] <SPEC: a repository in $W/toy with the essential packages and those of SPEC.
# shellcheck disable=SC2120 # the tests do
toy_system() {
	[ -s "$W/essential" ] || toy_essential >"$W/essential"
	{
		cat "$W/essential"
		echo
		cat
	} >"$W/spec"
	rm -rf "$W/toy"
	repo toy "$@" <"$W/spec"
}

# hello LINE…: the toy system with the package hello, which has these fields too. Nothing is known of an earlier one.
hello() {
	rm -rf "$T/pm/tops" "$T/pm/seen"
	# shellcheck disable=SC2119
	printf '%s\n' 'Package: hello' "$@" | toy_system
}
