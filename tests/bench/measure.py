"""What the comparisons share: runs commands as whole processes, several times in turn, and prints
seconds, peak memory and ratios. Trees and files are on tmpfs."""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
VZPKG = os.environ.get("VZPKG", str(TOP / "build/bin/vzpkg"))


def scratch():
    base = "/dev/shm" if os.path.isdir("/dev/shm") else None
    return Path(tempfile.mkdtemp(prefix="vzpkg-bench.", dir=base))


class Mirror:
    """The loopback mirror of tests/lib/mirror, kept in one folder for a run."""

    def __init__(self, folder):
        self.folder = folder / "mirror"

    def __enter__(self):
        tool = str(TOP / "tests/lib/mirror")
        out = subprocess.run([tool, "start", str(self.folder)], check=True, stdout=subprocess.PIPE)
        self.url = out.stdout.decode().strip()
        return self

    def __exit__(self, *_):
        subprocess.run([str(TOP / "tests/lib/mirror"), "stop", str(self.folder)], check=True)


def need(*programs):
    missing = [program for program in programs if not shutil.which(program)]
    if missing:
        sys.exit(f"{' and '.join(missing)}: not installed; tests/lib/install-deps bench installs what is compared with")


def run(command, env=None, cwd=None):
    """(wall seconds, CPU seconds, peak KiB of the largest process) of one run."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:  # a child of our own, so that RUSAGE_CHILDREN is this run's alone
        begun = time.monotonic()
        done = subprocess.run(command, shell=isinstance(command, str), executable=None, env=env,
                              cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        wall = time.monotonic() - begun
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            sys.stderr.write(done.stderr.decode(errors="replace")[-3000:])
        os.write(write, f"{wall} {usage.ru_utime + usage.ru_stime} {usage.ru_maxrss}".encode())
        os._exit(1 if done.returncode else 0)
    os.close(write)
    with os.fdopen(read) as pipe:
        text = pipe.read()
    if os.waitpid(pid, 0)[1]:
        sys.exit(f"failed: {command}")
    wall, cpu, peak = text.split()
    return float(wall), float(cpu), int(peak)


def apart(function, *arguments):
    """Calls it in a child: what it takes in memory would be counted for each child that comes after."""
    pid = os.fork()
    if pid == 0:
        try:
            function(*arguments)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    if os.waitpid(pid, 0)[1]:
        sys.exit(f"failed: {function.__module__}.{function.__name__}")


def compare(rows, rounds):
    """rows: [(title, before(), command, env)]. Runs all in turn, `rounds` times; the first is the
    one that ratios refer to the others' times. Prints the minimum of each."""
    best = {}
    for _ in range(rounds):
        for title, before, command, env in rows:
            if before:
                before()
            result = run(command, env)
            if title not in best or result[0] < best[title][0]:
                best[title] = result
    ours = best[rows[0][0]][0]
    for title, (wall, cpu, peak) in best.items():
        ratio = "" if title == rows[0][0] else f"   {wall / ours:5.1f} x"
        print(f"  {title:<52} {wall:7.3f} s  {cpu:7.2f} s CPU {peak / 1024:7.0f} MiB{ratio}")
    return best


def remove(path):
    shutil.rmtree(path, ignore_errors=True)
