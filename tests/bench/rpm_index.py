"""rpm-md metadata as large as a distribution's: that of Debian 12's main, 63 000 packages with their real relations and lists
of files, in the shape that createrepo gives it. There are no packages to it."""

import gzip
import hashlib
import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import measure
import rpm_distribution

# To rpm, 2.36-9 is not later than 2.36: with Debian's ">>" libc-bin would find no libc6.
FLAGS = {"=": "EQ", "<<": "LT", "<=": "LE", ">=": "GE", ">>": "GE"}
RELATION = re.compile(r"([^\s(:]+)(?::\S+)?\s*(?:\(([<>=]+)\s*([^)]+)\))?")
# What createrepo puts into the primary metadata (https://github.com/rpm-software-management/createrepo_c, cr_is_primary).
PRIMARY = re.compile(r"/etc/|/usr/lib/sendmail$|.*bin/")

HEAD = ('<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns="http://linux.duke.edu/metadata/{name}" '
        'xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="{count}">\n')


def fetch(url):
    with urllib.request.urlopen(url) as reply:
        return gzip.decompress(reply.read()).decode()


def stanzas(text):
    for stanza in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in stanza.splitlines() if line[:1] not in (" ", "") and ": " in line)
        if fields:
            yield fields


def files_of(contents):
    """{package: [path]}"""
    files = {}
    for line in contents.splitlines():
        path, _, owners = line.rpartition(" ")
        for owner in owners.split(","):
            files.setdefault(owner.rpartition("/")[2], []).append("/" + path.rstrip())
    return files


def version_of(text):
    """epoch, version, release"""
    epoch, colon, rest = text.partition(":")
    if not colon:
        epoch, rest = "0", text
    version, _, release = rest.rpartition("-")
    return (epoch, version, release) if version else (epoch, rest, "0")


def entry(name, flag, version):
    if not flag:
        return f"<rpm:entry name={quoteattr(name)}/>"
    epoch, number, release = version_of(version)
    text = f"<rpm:entry name={quoteattr(name)} flags=\"{FLAGS[flag]}\" epoch=\"{epoch}\" ver={quoteattr(number)}"
    return text + (f" rel={quoteattr(release)}/>" if "-" in version else "/>")


def word(match):
    """One of the words of a rich relation."""
    flag = {"<<": "<", ">>": ">="}.get(match[2], match[2])
    return f"{match[1]} {flag} {match[3]}" if flag else match[1]


def entries(relations):
    text = ""
    for group in relations.split(","):
        matches = [RELATION.match(part.strip()) for part in group.split("|") if part.strip()]
        if len(matches) == 1:
            text += entry(matches[0][1], matches[0][2], (matches[0][3] or "").strip())
        elif matches:
            text += f"<rpm:entry name={quoteattr('(' + ' or '.join(word(match) for match in matches) + ')')}/>"
    return text


def relations_of(fields, name, *keys):
    text = entries(",".join(fields[key] for key in keys if key in fields))
    if name == "provides":
        text += entry(fields["Package"], "=", fields["Version"] + ("" if "-" in fields["Version"] else "-0"))
    return f"<rpm:{name}>{text}</rpm:{name}>" if text else ""


def file_entries(paths):
    return "".join(f"<file>{escape(path)}</file>" for path in paths)


def header_of(fields):
    epoch, version, release = version_of(fields["Version"])
    return f"<version epoch=\"{epoch}\" ver={quoteattr(version)} rel={quoteattr(release)}/>"


def arch_of(fields):
    return {"all": "noarch", "amd64": "x86_64"}.get(fields["Architecture"], fields["Architecture"])


def primary_package(fields, paths):
    name, arch, size = fields["Package"], arch_of(fields), fields["Size"]
    installed = int(fields.get("Installed-Size", "0")) * 1024
    return (f"<package type=\"rpm\"><name>{name}</name><arch>{arch}</arch>{header_of(fields)}"
            f"<checksum type=\"sha256\" pkgid=\"YES\">{fields['SHA256']}</checksum>"
            f"<summary>{escape(fields.get('Description', ''))}</summary><description/><packager/><url/>"
            f"<time file=\"1\" build=\"1\"/><size package=\"{size}\" installed=\"{installed}\" archive=\"{installed}\"/>"
            f"<location href={quoteattr('Packages/' + Path(fields['Filename']).stem + '.rpm')}/><format>"
            f"<rpm:license>free</rpm:license><rpm:vendor/><rpm:group>{fields.get('Section', '')}</rpm:group>"
            + relations_of(fields, "provides", "Provides") + relations_of(fields, "requires", "Pre-Depends", "Depends")
            # Without Breaks: what is provided without a version matches any version to rpm, and none to dpkg.
            + relations_of(fields, "conflicts", "Conflicts")
            + relations_of(fields, "recommends", "Recommends")
            + file_entries(path for path in paths if PRIMARY.match(path)) + "</format></package>\n")


def filelists_package(fields, paths):
    return (f"<package pkgid=\"{fields['SHA256']}\" name={quoteattr(fields['Package'])} arch=\"{arch_of(fields)}\">"
            f"{header_of(fields)}{file_entries(paths)}</package>\n")


def write_index(folder, kind, root, name, packages):
    plain = (HEAD.format(root=root, name=name, count=len(packages)) + "".join(packages) + f"</{root}>\n").encode()
    packed = gzip.compress(plain, 6, mtime=0)
    digests = [hashlib.sha256(data).hexdigest() for data in (packed, plain)]
    (folder / f"{digests[0]}-{kind}.xml.gz").write_bytes(packed)
    return (f"<data type=\"{kind}\"><checksum type=\"sha256\">{digests[0]}</checksum>"
            f"<open-checksum type=\"sha256\">{digests[1]}</open-checksum>"
            f"<location href=\"repodata/{digests[0]}-{kind}.xml.gz\"/><timestamp>1700000000</timestamp>"
            f"<size>{len(packed)}</size><open-size>{len(plain)}</open-size></data>\n")


def make(folder, url):
    suite = url + "/debian/dists/bookworm/main"
    files = files_of(fetch(suite + "/Contents-amd64.gz"))
    files.update(files_of(fetch(suite + "/Contents-all.gz")))
    packages = list(stanzas(fetch(suite + "/binary-amd64/Packages.gz")))
    repodata = folder / "repodata"
    repodata.mkdir(parents=True)
    text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<repomd xmlns=\"http://linux.duke.edu/metadata/repo\">\n"
    text += "<revision>1700000000</revision>\n"
    text += write_index(repodata, "primary", "metadata", "common",
                        [primary_package(fields, files.get(fields["Package"], [])) for fields in packages])
    text += write_index(repodata, "filelists", "filelists", "filelists",
                        [filelists_package(fields, files.get(fields["Package"], [])) for fields in packages])
    (repodata / "repomd.xml").write_text(text + "</repomd>\n")


def sign(folder, keys):
    top = folder / "repodata/repomd.xml"
    subprocess.run(["gpg", "--homedir", keys, "--batch", "--quiet", "--yes", "--no-permission-warning", "-u", "good",
                    "--armor", "-b", "-o", f"{top}.asc", top], check=True)
    subprocess.run(["gpgconf", "--homedir", keys, "--kill", "all"], check=True)


def ready(url):
    """The folder with repodata/, signed by the key of rpm_distribution; made by the first run and kept for the next ones."""
    keys = rpm_distribution.ready(url) / "keys"
    folder = Path(os.environ.get("TMPDIR") or "/dev/shm") / "vzpkg-bench-rpm-index"
    if not (folder / "repodata/repomd.xml").exists():
        print("making rpm-md metadata of Debian's main; they are kept in", folder, file=sys.stderr)
        measure.remove(folder)
        measure.apart(make, folder, url)
    sign(folder, keys)
    return folder
