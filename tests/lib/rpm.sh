# shellcheck shell=bash
# Small rpm repositories and templates; sourced after lib/common.sh.
config=$T/toy/1/config

rpm_keys() { "$lib/make-rpm-repo" keys "$W/keys" 2>"$W/err" || fail "making keys"; }

# rpm_repo FOLDER OPTION… <SPEC: a repository in $W/FOLDER, made anew; see lib/make-rpm-repo.
shape=()
rpm_repo() {
	local folder=$1
	shift
	rm -rf "${W:?}/$folder"
	"$lib/make-rpm-repo" repo "$W/$folder" --keys "$W/keys" "${shape[@]}" "$@" 2>"$W/err" || fail "making $folder"
}

# rpm_template LINE…: the template toy-1 with one package, "hello", these repositories, and trust in the key "good".
rpm_template() {
	mkdir -p "$config"
	echo rpm >"$config/package_manager"
	echo hello >"$config/packages"
	printf '%s\n' "$@" >"$config/repositories"
	trusted good
}

fpr() { cat "$W/keys/$1.fpr"; }

# trusted NAME WAIVER…: this key alone.
trusted() {
	local name=$1
	shift
	rm -rf "$config/gpgkeys"
	mkdir -p "$config/gpgkeys"
	cp "$W/keys/$name.asc" "$config/gpgkeys/"
	printf '# keys\n%s\n' "$(fpr "$name") $*" >"$config/trust"
}

# wants LINE…: the template's packages.
wants() { printf '%s\n' "$@" >"$config/packages"; }

# rpm_guest old|modern: repositories have this shape from now on, and the template trusts who signs them. $W/guest is one of a small
# system with an rpm of its own; see lib/make-rpm-guest.
rpm_guest() {
	case $1 in
	old)
		shape=(--shape old --sign weak --checksum sha)
		trusted weak sha1 weak
		;;
	modern)
		shape=()
		trusted good
		;;
	esac
	"$lib/make-rpm-guest" "$1" >"$W/guest.spec" 2>"$W/err" || fail "making the guest $1"
	rpm_repo guest <"$W/guest.spec"
}
