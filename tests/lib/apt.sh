# shellcheck shell=bash
# apt with folders of its own, an empty status, and the repositories and keys of the template debian-12, to compare with; sourced after lib/common.sh.
apt=$W/apt
url=$(mirror_url)
export DEBIAN_MIRROR=$url/debian DEBIAN_SECURITY_MIRROR=$url/debian-security

mkdir -p "$apt"/{state/lists/partial,cache/archives/partial,etc/apt.conf.d,etc/preferences.d,etc/trusted.gpg.d}
: >"$apt/status"
cat >"$apt/apt.conf" <<-EOC
	APT::Architecture "amd64";
	APT::Architectures { "amd64"; };
	APT::Install-Recommends "false";
	APT::Sandbox::User "root";
	Acquire::Languages "none";
	Dir::State "$apt/state";
	Dir::State::status "$apt/status";
	Dir::Cache "$apt/cache";
	Dir::Etc "$apt/etc";
	Dir::Etc::sourceparts "-";
	Dir::Log "$apt";
EOC
cp "$VZPKG_TOP"/templates/debian/12/config/gpgkeys/*.asc "$apt/etc/trusted.gpg.d/"
sed -e '/^#/d' -e '/^$/d' -e 's/^/deb /' -e "s,\\\$DEBIAN_SECURITY_MIRROR,$DEBIAN_SECURITY_MIRROR," \
	-e "s,\\\$DEBIAN_MIRROR,$DEBIAN_MIRROR," "$VZPKG_TOP/templates/debian/12/config/repositories" \
	>"$apt/etc/sources.list"
export APT_CONFIG=$apt/apt.conf

# The lists, fetched.
apt_lists() { expect 0 apt-get -qq update; }
