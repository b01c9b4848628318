"""Writes .rpm files, of rpm 4.4's shape ("old": MD5 digests, signatures over header and payload) or of today's ("modern").

The format: rpm's docs/manual/format_*.md, lib/rpmtag.h and lib/rpmds.h.
"""

import bz2
import gzip
import hashlib
import lzma
import os
import re
import stat
import struct
import subprocess

MTIME = 1600000000
INT8, INT16, INT32, STRING, BINARY, STRINGS, I18N = 2, 3, 4, 6, 7, 8, 9
FORMATS = {INT16: ">H", INT32: ">I"}
ALIGN = {INT16: 2, INT32: 4}
SENSE = {"<": 2, ">": 4, "=": 8, "<=": 10, ">=": 12}
SENSE_PREREQ, SENSE_RPMLIB, SENSE_INTERP = 1 << 6, 1 << 24, 1 << 8
SCRIPT_SENSE = {"pre": 1 << 9, "post": 1 << 10, "preun": 1 << 11, "postun": 1 << 12}
TRIGGER_SENSE = {"triggerin": 1 << 16, "triggerun": 1 << 17, "triggerpostun": 1 << 18, "triggerprein": 1 << 25}
# Tags of name, version and flags.
RELATIONS = {
    "Provides": (1047, 1113, 1112),
    "Requires": (1049, 1050, 1048),
    "Conflicts": (1054, 1055, 1053),
    "Obsoletes": (1090, 1115, 1114),
    "Recommends": (5046, 5047, 5048),
    "Suggests": (5049, 5050, 5051),
    "Supplements": (5052, 5053, 5054),
    "Enhances": (5055, 5056, 5057),
}
# Tags of the text and of the program that runs it.
SCRIPTS = {
    "Pre": (1023, 1085),
    "Post": (1024, 1086),
    "Preun": (1025, 1087),
    "Postun": (1026, 1088),
    "Pretrans": (1151, 1153),
    "Posttrans": (1152, 1154),
}
# Scripts, programs, names, index, versions, flags, priorities.
FILE_TRIGGERS = {
    "Filetriggerin": (5066, 5067, 5069, 5070, 5071, 5072, 5084),
    "Transfiletriggerin": (5076, 5077, 5079, 5080, 5081, 5082, 5085),
}
FLAGS = {"config": 1, "doc": 2, "missingok": 8, "noreplace": 16, "ghost": 64}


# ---- headers -------------------------------------------------------------------------------------


def pad(data, size):
    return data + b"\0" * (-len(data) % size)


def encode(kind, value):
    """The bytes of a value, and how many items it has."""
    if kind in FORMATS:
        return b"".join(struct.pack(FORMATS[kind], item & (0xFFFF if kind == INT16 else 0xFFFFFFFF)) for item in value), len(value)
    if kind == BINARY:
        return value, len(value)
    items = [value] if kind in (STRING, I18N) else value
    return b"".join(item.encode() + b"\0" for item in items), len(items)


def header(tags, region):
    """tags: {tag: (type, value)}. The header with its magic, the region tag around all of it."""
    index, store = b"", b""
    for tag in sorted(tags):
        kind, value = tags[tag]
        store = pad(store, ALIGN.get(kind, 1))
        data, count = encode(kind, value)
        index += struct.pack(">IIII", tag, kind, len(store), count)
        store += data
    entries = len(tags) + 1
    first = struct.pack(">IIII", region, BINARY, len(store), 16)
    store += struct.pack(">IIiI", region, BINARY, -entries * 16, 16)
    return b"\x8e\xad\xe8\x01\0\0\0\0" + struct.pack(">II", entries, len(store)) + first + index + store


# ---- files ---------------------------------------------------------------------------------------


class File:
    """One file of a package."""

    def __init__(self, path, mode, data=b"", **more):
        self.path, self.mode, self.data = path, mode, data
        self.link = more.get("link", "")
        self.device = more.get("device", 0)
        self.flags = more.get("flags", 0)
        self.owner, self.group = more.get("owner", "root"), more.get("group", "root")
        self.lang, self.caps = more.get("lang", ""), more.get("caps", "")
        self.same = more.get("same")  # the path of the file that it is a hard link to
        self.inode = 0

    def payload(self):
        return self.link.encode() if stat.S_ISLNK(self.mode) else self.data if stat.S_ISREG(self.mode) else b""


KINDS = {
    "file": stat.S_IFREG | 0o644,
    "script": stat.S_IFREG | 0o755,
    "copy": stat.S_IFREG | 0o755,
    "sparse": stat.S_IFREG | 0o644,
    "hardlink": stat.S_IFREG | 0o644,
    "dir": stat.S_IFDIR | 0o755,
    "symlink": stat.S_IFLNK | 0o777,
    "char": stat.S_IFCHR | 0o666,
    "block": stat.S_IFBLK | 0o660,
    "fifo": stat.S_IFIFO | 0o644,
}


def unquote(text):
    return re.sub("%([0-9a-f]{2})", lambda match: chr(int(match[1], 16)), text)


def parse_file(line):
    """KIND[,ATTRIBUTE…] PATH [REST]: see make-rpm-repo."""
    words = line.split(" ", 2)
    kind, *attributes = words[0].split(",")
    rest = words[2] if len(words) > 2 else ""
    mode, more = KINDS[kind], {"flags": 0}
    for attribute in attributes:
        name, _, value = attribute.partition("=")
        if name in FLAGS:
            more["flags"] |= FLAGS[name]
        elif name == "mode":
            mode = stat.S_IFMT(mode) | int(value, 8)
        elif name == "owner":
            more["owner"], _, more["group"] = value.partition(":")
        else:
            more[name] = value
    data = (rest + "\n").encode() if rest else b""
    if kind == "symlink":
        more["link"] = rest
    elif kind == "hardlink":
        more["same"] = rest
    elif kind in ("char", "block"):
        major, minor = (int(word) for word in rest.split())
        more["device"] = major << 8 | minor
    elif kind == "copy":
        with open(rest, "rb") as file:
            data = file.read()
    elif kind == "sparse":
        data = b"\0" * int(rest) + b"end\n"
    return File(unquote(words[1]), mode, data, **more)


def read_tree(root, leave_out=lambda path: False):
    """The files below a folder of the host, as a package's; all of root's."""
    inodes = {}
    for folder, folders, names in sorted(os.walk(root)):
        for name in sorted(folders + names):
            path = os.path.join(folder, name)
            inside = path[len(root.rstrip("/")) :]
            info = os.lstat(path)
            if leave_out(inside):
                continue
            if stat.S_ISLNK(info.st_mode):
                yield File(inside, stat.S_IFLNK | 0o777, link=os.readlink(path))
            elif stat.S_ISDIR(info.st_mode):
                yield File(inside, info.st_mode)
            elif stat.S_ISREG(info.st_mode):
                with open(path, "rb") as file:
                    data = file.read()
                same = inodes.get(info.st_ino)
                inodes.setdefault(info.st_ino, inside)
                yield File(inside, info.st_mode, data, same=same)


def settle_links(files):
    """Hard links get the inode and the content of the file that they are the same as."""
    by_path = {file.path: file for file in files}
    for number, file in enumerate(files):
        file.inode = number + 1
    for file in files:
        if file.same:
            first = by_path[file.same]
            file.inode, file.data, file.mode = first.inode, first.data, first.mode


def archive_order(files):
    """As rpmbuild writes them: hard links of one file follow each other, at the place of the last."""
    last = {file.inode: number for number, file in enumerate(files)}
    return [files[number] for number in sorted(range(len(files)), key=lambda number: (last[files[number].inode], number))]


def cpio(files):
    """newc; of hard links the last one has the content."""
    out, seen = b"", {}
    counts = {}
    for file in files:
        counts[file.inode] = counts.get(file.inode, 0) + 1
    chunks = []
    for file in [file for file in archive_order(files) if not file.flags & FLAGS["ghost"]] + [None]:
        name = b"./" + file.path.encode()[1:] if file else b"TRAILER!!!"
        data = file.payload() if file else b""
        inode = file.inode if file else 0
        seen[inode] = seen.get(inode, 0) + 1
        links = counts.get(inode, 1)
        if links > 1 and seen[inode] < links:
            data = b""
        fields = [inode, file.mode if file else 0, 0, 0, links, MTIME if file else 0, len(data), 0, 0]
        fields += [file.device >> 8 if file else 0, file.device & 0xFF if file else 0, len(name) + 1, 0]
        chunks.append(pad(b"070701" + b"".join(b"%08x" % field for field in fields) + name + b"\0", 4))
        chunks.append(pad(data, 4))
    out = b"".join(chunks)
    return out


def compress(data, kind):
    if kind == "gzip":
        return gzip.compress(data, 6, mtime=0)
    if kind == "xz":
        return lzma.compress(data, preset=1)
    if kind == "bzip2":
        return bz2.compress(data)
    return subprocess.run(["zstd", "-qc"], input=data, stdout=subprocess.PIPE, check=True).stdout


def file_tags(files, old):
    folders = sorted({os.path.dirname(file.path).rstrip("/") + "/" for file in files})
    hasher = hashlib.md5 if old else hashlib.sha256

    def digest(file):
        plain = stat.S_ISREG(file.mode) and not file.flags & FLAGS["ghost"]
        return hasher(file.data).hexdigest() if plain else ""

    tags = {
        1028: (INT32, [len(file.payload()) for file in files]),
        1030: (INT16, [file.mode for file in files]),
        1033: (INT16, [file.device for file in files]),
        1034: (INT32, [MTIME for _ in files]),
        1035: (STRINGS, [digest(file) for file in files]),
        1036: (STRINGS, [file.link for file in files]),
        1037: (INT32, [file.flags for file in files]),
        1039: (STRINGS, [file.owner for file in files]),
        1040: (STRINGS, [file.group for file in files]),
        1045: (INT32, [0xFFFFFFFF for _ in files]),
        1095: (INT32, [1 for _ in files]),
        1096: (INT32, [file.inode for file in files]),
        1097: (STRINGS, [file.lang for file in files]),
        1116: (INT32, [folders.index(os.path.dirname(file.path).rstrip("/") + "/") for file in files]),
        1117: (STRINGS, [os.path.basename(file.path) for file in files]),
        1118: (STRINGS, folders),
    }
    if any(file.caps for file in files):
        tags[5010] = (STRINGS, [file.caps for file in files])
    if not old:
        tags[5011] = (INT32, [8])
    return tags


# ---- relations and scripts -----------------------------------------------------------------------


def parse_relation(text):
    """"name", "name >= 1.0", "(a or b)" → (name, version, flags)."""
    match = re.fullmatch(r"([^\s(]\S*)\s*(<=|>=|=|<|>)\s*(\S+)", text)
    return (match[1], match[3], SENSE[match[2]]) if match else (text, "", 0)


def relation_tags(package):
    tags = {}
    for field, (names, versions, flags) in RELATIONS.items():
        relations = package["relations"].get(field, [])
        if relations:
            tags[names] = (STRINGS, [relation[0] for relation in relations])
            tags[versions] = (STRINGS, [relation[1] for relation in relations])
            tags[flags] = (INT32, [relation[2] for relation in relations])
    return tags


def script_tags(package):
    tags = {}
    for field, (text, program) in SCRIPTS.items():
        if field in package["scripts"]:
            name, body = package["scripts"][field]
            if body:
                tags[text] = (STRING, body)
            tags[program] = (STRING, name)
    triggers = package.get("triggers", [])
    if triggers:
        tags[1065] = (STRINGS, [body for _, _, _, body in triggers])
        tags[1092] = (STRINGS, [program for _, _, program, _ in triggers])
        tags[1066] = (STRINGS, [name for _, name, _, _ in triggers])
        tags[1067] = (STRINGS, ["" for _ in triggers])
        tags[1068] = (INT32, [TRIGGER_SENSE[kind] for kind, _, _, _ in triggers])
        tags[1069] = (INT32, list(range(len(triggers))))
    for field, numbers in FILE_TRIGGERS.items():
        rows = package.get("filetriggers", {}).get(field, [])
        if not rows:
            continue
        scripts, programs, names, index, versions, flags, priorities = numbers
        tags[scripts] = (STRINGS, [body for _, _, body in rows])
        tags[programs] = (STRINGS, [program for _, program, _ in rows])
        tags[names] = (STRINGS, [prefix for prefix, _, _ in rows])
        tags[index] = (INT32, list(range(len(rows))))
        tags[versions] = (STRINGS, ["" for _ in rows])
        tags[flags] = (INT32, [TRIGGER_SENSE["triggerin"] for _ in rows])
        tags[priorities] = (INT32, [1000000 for _ in rows])
    return tags


# ---- the package ---------------------------------------------------------------------------------


def features(package, compressor, old):
    """What rpm has to know to install it."""
    wanted = [("CompressedFileNames", "3.0.4-1"), ("PayloadFilesHavePrefix", "4.0-1")]
    if not old:
        wanted.append(("FileDigests", "4.6.0-1"))
    if compressor == "zstd":
        wanted.append(("PayloadIsZstd", "5.4.18-1"))
    if compressor == "xz":
        wanted.append(("PayloadIsXz", "5.2-1"))
    if any(file.caps for file in package["files"]):
        wanted.append(("FileCaps", "4.6.1-1"))
    if any(program == "<lua>" for program, _ in package["scripts"].values()):
        wanted.append(("BuiltinLuaScripts", "4.2.2-1"))
    return [(f"rpmlib({name})", version, SENSE["<="] | SENSE_RPMLIB) for name, version in wanted]


def package_tags(package, compressor, old, digest):
    evr = f"{package['version']}-{package['release']}"
    if package.get("epoch"):
        evr = f"{package['epoch']}:{evr}"
    relations = package["relations"]
    relations.setdefault("Provides", []).append((package["name"], evr, SENSE["="]))
    requires = relations.setdefault("Requires", [])
    for field, (program, _) in package["scripts"].items():
        if program.startswith("/"):
            requires.append((program, "", SENSE_INTERP | SCRIPT_SENSE.get(field.lower(), 0)))
    requires += features(package, compressor, old)
    tags = {
        1000: (STRING, package["name"]),
        1001: (STRING, package["version"]),
        1002: (STRING, package["release"]),
        1004: (I18N, package.get("summary", "package of a test")),
        1005: (I18N, package.get("summary", "package of a test")),
        1006: (INT32, [MTIME]),
        1007: (STRING, "localhost"),
        1009: (INT32, [sum(len(file.payload()) for file in package["files"])]),
        1014: (STRING, "GPL"),
        1016: (I18N, "Test"),
        1021: (STRING, "linux"),
        1022: (STRING, package["arch"]),
        1044: (STRING, f"{package['name']}-{package['version']}-{package['release']}.src.rpm"),
        1064: (STRING, "4.4.1" if old else "4.18.0"),
        1124: (STRING, "cpio"),
        1125: (STRING, compressor),
        1126: (STRING, "9"),
    }
    if package.get("epoch"):
        tags[1003] = (INT32, [int(package["epoch"])])
    if not old:
        tags[5062] = (STRING, "utf-8")
        tags[5092] = (STRINGS, [digest])
        tags[5093] = (INT32, [8])
    tags.update(relation_tags(package))
    tags.update(script_tags(package))
    if package["files"]:
        tags.update(file_tags(package["files"], old))
    return tags


def lead(package):
    name = f"{package['name']}-{package['version']}-{package['release']}".encode()[:65]
    return struct.pack(">IBBHH66sHH16s", 0xEDABEEDB, 3, 0, 0, 1, name, 1, 5, b"")


def build(package, old=False, compressor=None, sign=None, algorithm=None):
    """The bytes of the file. package: name, version, release, arch, epoch, summary; files: [File]; relations: {field: [(name,
    version, flags)]}; scripts: {field: (program, text)}; triggers, filetriggers. sign(data): the OpenPGP signature; algorithm: "DSA" or
    another word (RSA, EdDSA), by which rpm files it."""
    compressor = compressor or ("gzip" if old else "zstd")
    # Of the files that are one, the last one carries the content: in the order of their names, as rpmbuild sorts them.
    package["files"].sort(key=lambda file: file.path)
    settle_links(package["files"])
    payload = compress(cpio(package["files"]), compressor)
    digest = hashlib.sha256(payload).hexdigest()
    main = header(package_tags(package, compressor, old, digest), 63)
    signature = {
        1000: (INT32, [len(main) + len(payload)]),
        1004: (BINARY, hashlib.md5(main + payload).digest()),
        269: (STRING, hashlib.sha1(main).hexdigest()),
    }
    if not old:
        signature[273] = (STRING, hashlib.sha256(main).hexdigest())
    if sign:
        dsa = algorithm in ("DSA", "EdDSA")
        signature[267 if dsa else 268] = (BINARY, sign(main))
        if old:
            signature[1005 if dsa else 1002] = (BINARY, sign(main + payload))
    return lead(package) + pad(header(signature, 62), 8) + main + payload
