"""An rpm distribution for the comparisons: 157 packages of Debian 12 in the shape of today's rpm distributions (one
/usr, zstd payloads, SHA-256, every package signed), with an rpm of its own whose database is sqlite."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import measure

TOOL = str(measure.TOP / "tests/lib/make-rpm-repo")

# What a server has at first.
WANTED = """bash bzip2 ca-certificates coreutils cron curl diffutils findutils grep gzip hostname iproute2 iputils-ping less
libc-bin login logrotate nano ncurses-base ncurses-bin net-tools openssh-server passwd procps psmisc rpm sed sudo systemd-sysv
tar tzdata util-linux xz-utils""".split()
# They serve Debian's way of packaging.
LEFT_OUT = """adduser cron-daemon-common debconf dpkg init-system-helpers libfile-find-rule-perl libnumber-compare-perl
libtext-glob-perl lsb-base runit-helper sensible-utils sysvinit-utils ucf usrmerge""".split()

MERGED = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"]

# Programs by the paths that they had before /usr was one.
OLD_PATHS = {"bash": ["/bin/bash", "/bin/sh"], "libc-bin": ["/sbin/ldconfig"]}

FILESYSTEM = """Name: filesystem
Requires: setup
Files:
{links}
"""

SETUP = """Name: setup
Files:
 file,config,noreplace /etc/passwd root:x:0:0:root:/root:/bin/bash
 file,config,noreplace /etc/group root:x:0:
 file,config,noreplace,mode=600 /etc/shadow root:*:19000:0:99999:7:::
 file,config /etc/rpm/macros %_dbpath /var/lib/rpm
"""

# Fedora's glibc has such a trigger for all packages with libraries.
LIBRARIES = """Transfiletriggerin: /usr/lib
 exec /sbin/ldconfig
"""

PRESET = """Post: /bin/sh
 if [ $1 -eq 1 ] && [ -x /usr/bin/systemctl ]; then
 systemctl --no-reload preset {units} >/dev/null 2>&1 || :
 fi
"""


def output(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def download(folder, url):
    """The .deb files of the closure."""
    for name in ("lists/partial", "archives/partial", "preferences.d"):
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()
    (folder / "sources.list").write_text(
        f"deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {url}/debian bookworm main\n")
    apt = ["apt-get", "-qq", f"-oDir::State::lists={folder}/lists", f"-oDir::Cache={folder}",
           f"-oDir::Etc::sourcelist={folder}/sources.list", "-oDir::Etc::sourceparts=/-",
           f"-oDir::Etc::preferencesparts={folder}/preferences.d", f"-oDir::State::status={folder}/status",
           "-oAPT::Install-Recommends=false", "-oAPT::Sandbox::User=root"]
    subprocess.run([*apt, "update"], check=True)
    subprocess.run([*apt, "-y", "-d", "install", *WANTED], check=True, stdout=subprocess.DEVNULL)
    return sorted((folder / "archives").glob("*.deb"))


def merge_usr(tree):
    for name in MERGED:
        if (tree / name).is_dir():
            shutil.copytree(tree / name, tree / "usr" / name, symlinks=True, dirs_exist_ok=True)
            shutil.rmtree(tree / name)


def names_of(relations):
    """[["libc6"], ["mawk", "gawk"]]"""
    return [[word.split("(")[0].split(":")[0].strip() for word in group.split("|")]
            for group in relations.split(",") if group.strip()]


class Package:
    def __init__(self, deb, folder):
        fields = dict(line.split(": ", 1)
                      for line in output("dpkg-deb", "-f", deb, "Package", "Version", "Architecture", "Depends",
                                         "Pre-Depends", "Provides").splitlines())
        self.name = fields["Package"]
        self.version = fields["Version"].split(":")[-1].replace("-", "_")
        self.arch = {"all": "noarch", "amd64": "x86_64", "i386": "i686", "arm64": "aarch64"}[fields["Architecture"]]
        self.provides = [group[0] for group in names_of(fields.get("Provides", ""))]
        self.depends = names_of(",".join(fields[key] for key in ("Pre-Depends", "Depends") if key in fields))
        self.tree = folder / self.name
        folder.mkdir(exist_ok=True)
        subprocess.run(["dpkg-deb", "-x", deb, self.tree], check=True)
        merge_usr(self.tree)
        if self.name == "bash":
            (self.tree / "usr/bin/sh").symlink_to("bash")

    def paragraph(self, providers):
        has_trigger = self.name == "libc-bin"
        requires = ["filesystem"] + (["/bin/sh"] if has_trigger else [])
        for group in self.depends:
            there = [providers[name] for name in group if name in providers]
            if there and there[0] not in requires and there[0] != self.name:
                requires.append(there[0])
        text = f"Name: {self.name}\nVersion: {self.version}\nArch: {self.arch}\n"
        text += f"Requires: {', '.join(requires)}\nTree: {self.tree}\n"
        if self.name in OLD_PATHS:
            text += f"Provides: {', '.join(OLD_PATHS[self.name])}\n"
        if has_trigger:
            text += LIBRARIES
        units = [path.name for path in (self.tree / "usr/lib/systemd/system").glob("*.service")
                 if "@" not in path.name and self.name != "systemd"]
        return text + (PRESET.format(units=" ".join(sorted(units))) if units else "")


def links():
    return "\n".join(f" symlink /{name} usr/{name}" for name in MERGED if name not in ("lib32", "libx32"))


def spec(packages):
    providers = {name: package.name for package in packages for name in package.provides}
    providers.update({package.name: package.name for package in packages})
    paragraphs = [FILESYSTEM.format(links=links()), SETUP]
    return "\n".join(paragraphs + [package.paragraph(providers) for package in packages])


def make(folder, url):
    keys = folder / "keys"
    subprocess.run([TOOL, "keys", keys], check=True)
    with tempfile.TemporaryDirectory(prefix="debs.", dir=folder) as temporary:
        debs = Path(temporary)
        packages = [Package(deb, debs / "trees") for deb in download(debs, url)
                    if deb.name.split("_")[0] not in LEFT_OUT]
        subprocess.run([TOOL, "repo", folder / "repo", "--keys", keys, "--sign-metadata", "good"],
                       input=spec(packages), text=True, check=True)


def ready(url):
    """The folder with repo/ and keys/, made by the first run and kept for the next ones. `url`: the Debian mirror."""
    base = Path(os.environ.get("TMPDIR") or "/dev/shm") / "vzpkg-bench-rpm"
    if not (base / "repo/repodata/repomd.xml.asc").exists():
        print("making the rpm distribution; it is kept in", base, file=sys.stderr)
        measure.remove(base)
        base.mkdir(mode=0o700, parents=True)
        measure.apart(make, base, url)
    return base


def write_template(folder, base):
    """The template bench-1 in a TEMPLATE folder; its repository is to be given with --repository."""
    config = folder / "bench/1/config"
    (config / "gpgkeys").mkdir(parents=True)
    (config / "package_manager").write_text("rpm\n")
    (config / "packages").write_text("\n".join(WANTED) + "\n")
    (config / "repositories").write_text("http://127.0.0.1/repo\n")
    shutil.copy(base / "keys/good.asc", config / "gpgkeys")
    shutil.copy(base / "keys/good.fpr", config / "trust")
