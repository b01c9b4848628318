"""vzctl and what people use instead of it, each as the same five steps: create, start, a first command, stop,
destroy. Every VE has namespaces of its own for users, processes, mounts, network, IPC and its name, and a
writable root over the same read-only one.

  vzctl           its own overlay over the layer of the template
  crun            create, start, exec, kill, delete; `crun spec` with a user namespace; no seccomp filter
  lxc             lxc-start -d, lxc-attach, lxc-stop -k; LXC's common.conf and userns.conf
  systemd-nspawn  --register=no --keep-unit, nsenter, SIGKILL of its init

The last three bring no storage: their overlays are mounted here by the system call, over a copy of the tree
whose owners were shifted to the user namespace's before (not timed; vzctl has no need for it). Their bundle or
configuration is written at create and removed at destroy. Stop is SIGKILL for all, until init is gone."""

import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import measure

BASE = 1 << 20  # the first id of the others' user namespaces
VZCTL = os.environ.get("VZCTL", str(measure.TOP / "build/bin/vzctl"))

libc = ctypes.CDLL(None, use_errno=True)
MS_REC, MS_PRIVATE, MNT_DETACH = 0x4000, 1 << 18, 2
CLONE_NEWNS, CLONE_NEWNET = 0x20000, 0x40000000
PR_SET_CHILD_SUBREAPER = 36


def check(result, what):
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def mount(source, target, kind=None, flags=0, data=None):
    encode = [None if text is None else str(text).encode() for text in (source, target, kind, data)]
    check(libc.mount(encode[0], encode[1], encode[2], ctypes.c_ulong(flags), encode[3]),
          f"mounting {target}")


def umount(target, flags=0):
    check(libc.umount2(str(target).encode(), flags), f"unmounting {target}")


def unshare(flags):
    check(libc.unshare(flags), "unshare")
    if flags & CLONE_NEWNS:
        mount(None, "/", flags=MS_REC | MS_PRIVATE)


def make_template(kind, file):
    subprocess.run([str(measure.TOP / "tests/lib/make-rootfs"), kind, str(file)], check=True,
                   stdout=subprocess.DEVNULL)


def run(*command, **more):
    """Ends the comparison with what the command said, if it fails. No pipes, which daemons would keep open."""
    with open(f"/proc/self/fd/{said.fileno()}", "w+", encoding="utf-8", errors="replace") as file:
        if subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=file,
                          stderr=file, **more).returncode:
            file.seek(0)
            raise SystemExit(f"failed: {' '.join(map(str, command))}\n{file.read()[-3000:]}")


class Said:
    """A file without a name for what commands say."""

    def __init__(self):
        self.descriptor = os.memfd_create("said")

    def fileno(self):
        return self.descriptor


said = Said()


def wait_gone(pid):
    """The process has ended. It is our child, or was given to us when its parent ended."""
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        while os.path.exists(f"/proc/{pid}"):
            time.sleep(0.0002)


TRUE = ("true",)
# What a first command finds everywhere, or the comparison is none.
SAME = (("touch", "/written"), ("grep", "-q", "65536", "/proc/self/uid_map"),
        ("grep", "-q", "init", "/proc/1/comm"))


class Vzctl:
    title = "vzctl"

    def __init__(self, folder, template):
        self.folder = folder
        cache = folder / "template/cache"
        cache.mkdir(parents=True)
        shutil.copy(template, cache / "bench.tar.gz")
        self.conf = folder / "vz.conf"
        self.conf.write_text(
            f'TEMPLATE="{folder}/template"\nLOCKDIR="{folder}/lock"\nVE_ROOT="{folder}/root/$VEID"\n'
            f'VE_PRIVATE="{folder}/private/$VEID"\nVE_CONFDIR="{folder}/conf"\n')

    def prepare(self):
        """The layer is there from the first VE on; it goes with the last one, so that one stays."""
        self.create(99999)

    def finish(self):
        self.destroy(99999)

    def verb(self, verb, ctid, *words):
        run(VZCTL, "--conf", self.conf, verb, ctid, *words)

    def create(self, ctid):
        self.verb("create", ctid, "--ostemplate", "bench", "--layout", "overlay")

    def start(self, ctid):
        self.verb("start", ctid)

    def command(self, ctid, *words):
        self.verb("exec", ctid, *(words or TRUE))

    def stop(self, ctid):
        self.verb("stop", ctid, "--fast")

    def destroy(self, ctid):
        self.verb("destroy", ctid)


class Other:
    """A tool that is given a mounted root."""

    def __init__(self, folder, template):
        self.folder = folder
        self.lower = folder / "lower"
        self.lower.mkdir(parents=True)
        run("tar", "-C", self.lower, "--numeric-owner", "-xpzf", template)
        for top, folders, files in os.walk(self.lower):
            for name in [".", *folders, *files]:
                path = os.path.join(top, name)
                if name != "." or top == str(self.lower):
                    status = os.lstat(path)
                    os.chown(path, BASE + status.st_uid, BASE + status.st_gid, follow_symlinks=False)
                    if not os.path.islink(path):
                        os.chmod(path, status.st_mode & 0o7777)

    def prepare(self):
        """Called in the tool's own mount namespace."""

    def finish(self):
        pass

    def area(self, number):
        return self.folder / f"bench-{number}"

    def root(self, number):
        return self.area(number) / "rootfs"

    def create(self, number):
        area = self.area(number)
        area.mkdir()
        for name in ("upper", "work", "rootfs"):
            (area / name).mkdir()
        os.chown(area / "upper", BASE, BASE)
        mount("overlay", self.root(number), "overlay", 0,
              f"lowerdir={self.lower},upperdir={area}/upper,workdir={area}/work")

    def destroy(self, number):
        umount(self.root(number))
        shutil.rmtree(self.area(number))


class Crun(Other):
    title = "crun"

    def prepare(self):
        # crun refuses a host with both cgroup v1 and v2; the mount namespace is our own.
        if os.path.ismount("/sys/fs/cgroup/unified"):
            umount("/sys/fs/cgroup/unified", MNT_DETACH)
        self.state = self.folder / "state"
        run("crun", "spec", cwd=self.folder)
        spec = json.loads((self.folder / "config.json").read_text())
        spec["process"].update(terminal=False, args=["/sbin/init"])
        spec["root"]["readonly"] = False
        linux = spec["linux"]
        names = {row["type"] for row in linux["namespaces"]}
        linux["namespaces"] += [{"type": name} for name in
                                ("user", "pid", "mount", "network", "ipc", "uts") if name not in names]
        ids = [{"containerID": 0, "hostID": BASE, "size": 65536}]
        linux.update(uidMappings=ids, gidMappings=ids)
        self.spec = json.dumps(spec)

    def crun(self, *words):
        run("crun", "--root", self.state, *words)

    def create(self, number):
        super().create(number)
        area = self.area(number)
        (area / "config.json").write_text(self.spec)
        self.crun("create", "--bundle", area, "--pid-file", area / "pid", f"bench-{number}")

    def start(self, number):
        self.crun("start", f"bench-{number}")

    def command(self, number, *words):
        self.crun("exec", f"bench-{number}", *(words or TRUE))

    def stop(self, number):
        self.crun("kill", f"bench-{number}", "KILL")
        wait_gone(int((self.area(number) / "pid").read_text()))

    def destroy(self, number):
        self.crun("delete", f"bench-{number}")
        super().destroy(number)


class Lxc(Other):
    title = "lxc"

    def create(self, number):
        super().create(number)
        (self.area(number) / "config").write_text(
            "lxc.include = /usr/share/lxc/config/common.conf\n"
            "lxc.include = /usr/share/lxc/config/userns.conf\n"
            f"lxc.uts.name = bench-{number}\nlxc.rootfs.path = dir:{self.root(number)}\n"
            f"lxc.idmap = u 0 {BASE} 65536\nlxc.idmap = g 0 {BASE} 65536\n"
            "lxc.net.0.type = empty\nlxc.apparmor.profile = unconfined\n")

    def lxc(self, program, number, *words):
        run(program, "-P", self.folder, "-n", f"bench-{number}", *words)

    def start(self, number):
        self.lxc("lxc-start", number, "-d")

    def command(self, number, *words):
        self.lxc("lxc-attach", number, "--", *(words or TRUE))

    def stop(self, number):
        self.lxc("lxc-stop", number, "-k")


class Nspawn(Other):
    title = "systemd-nspawn"
    options = ("--private-network",)

    def join(self):
        """Called in the process that becomes it."""

    def start(self, number):
        self.process = subprocess.Popen(
            ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", *self.options,
             f"--private-users={BASE}:65536", "--private-users-ownership=off",
             f"--machine=bench-{number}", "--console=pipe", "-D", str(self.root(number)), "/sbin/init"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said, preexec_fn=self.join)
        self.init = None
        while not self.init:
            if self.process.poll() is not None:
                raise SystemExit("systemd-nspawn ended: " + Path(
                    f"/proc/self/fd/{said.fileno()}").read_text(errors="replace")[-2000:])
            self.init = self.find_init()

    def find_init(self):
        """Its child that runs the VE's init; the tool has no word for "started" with --register=no."""
        pid = self.process.pid
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            try:
                if os.readlink(f"/proc/{child}/exe").endswith("/sbin/init"):
                    return int(child)
            except OSError:
                pass
        time.sleep(0.0002)
        return None

    def command(self, _, *words):
        run("nsenter", "-t", self.init, "-a", *(words or TRUE))

    def stop(self, _):
        os.kill(self.init, signal.SIGKILL)
        self.process.wait()


STEPS = ("create", "start", "command", "stop", "destroy")


class Worker:
    """A tool in a process of its own with a mount namespace of its own, which does a round when told to."""

    def __init__(self, tool):
        self.tool = tool
        self.ours, theirs = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            self.ours.close()
            code = 1
            try:
                self.serve(theirs)
                code = 0
            except SystemExit as end:
                print(end, flush=True)
            finally:
                os._exit(code)
        theirs.close()
        self.answers = self.ours.makefile("r")
        self.answer()

    def serve(self, channel):
        unshare(CLONE_NEWNS)
        # The machine's own PID 1 may be slow to reap what daemons leave.
        libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self.tool.prepare()
        number = 100000
        try:
            self.warm(number)
            channel.sendall(b"[]\n")
            for line in channel.makefile("r"):
                number = int(line)
                times = [self.timed(step, number) for step in STEPS]
                channel.sendall(json.dumps(times).encode() + b"\n")
                while self.reap():
                    pass
        except BaseException:
            self.rescue(number)
            raise
        self.tool.finish()

    def warm(self, number):
        self.tool.create(number)
        self.tool.start(number)
        for words in SAME:
            self.tool.command(number, *words)
        self.tool.stop(number)
        self.tool.destroy(number)

    def rescue(self, number):
        """After a failure nothing is to stay on this machine."""
        for step in (self.tool.stop, self.tool.destroy):
            try:
                step(number)
            except (Exception, SystemExit):  # it may not have come that far
                pass

    def timed(self, step, number):
        begun = time.monotonic()
        getattr(self.tool, step)(number)
        return (time.monotonic() - begun) * 1000

    @staticmethod
    def reap():
        try:
            return os.waitpid(-1, os.WNOHANG)[0]
        except ChildProcessError:
            return 0

    def answer(self):
        line = self.answers.readline()
        if not line:
            raise SystemExit(f"{self.tool.title}: the comparison ended")
        return json.loads(line)

    def round(self, number):
        """Milliseconds of each step."""
        self.ours.sendall(f"{number}\n".encode())
        return self.answer()

    def end(self):
        self.ours.shutdown(socket.SHUT_WR)
        if os.waitpid(self.pid, 0)[1]:
            raise SystemExit(f"{self.tool.title}: failed at its end")


def cgroups():
    """Folders of control groups now; what the others leave there is taken away afterwards."""
    return {top for top, _, _ in os.walk("/sys/fs/cgroup")}


OTHERS_LEAVE = ("payload", "supervisor", "lxc.pivot", "lxc.monitor.bench-", "lxc.payload.bench-", "bench-")


def remove_cgroups(before):
    for folder in sorted(cgroups() - before, reverse=True):
        if os.path.basename(folder).startswith(OTHERS_LEAVE):
            try:
                os.rmdir(folder)
            except OSError:
                pass
