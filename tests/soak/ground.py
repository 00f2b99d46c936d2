# SPDX-License-Identifier: MIT
"""What a soak takes of the machine, loop devices, mounts, control groups, network namespaces, processes, and how
all of it is given back: by undoing each step, the last first, however the run ends."""

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

COMMAND_SECONDS = 300
PREFIX, LINK = "hfsoak", "hfs"  # of names that the machine knows, each with our process's number
MARK = ".soak"  # stands in a folder that is a soak's to remove
OF = "HOLDFAST_SOAK"  # in the environment of what we start: our folder
SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


class Failed(Exception):
    """Something did not do what it must; the words say what."""


def say(words):
    print(f"# {words}", flush=True)


def run(*argv, check=True, seconds=COMMAND_SECONDS, **kwargs):
    """A command: what it printed; Failed with its own words when it does not end with 0."""
    argv = [str(word) for word in argv]
    try:
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                              text=True, timeout=seconds, errors="replace", check=False, **kwargs)
    except subprocess.TimeoutExpired:
        raise Failed(f"{' '.join(argv)}: not done after {seconds} s") from None
    if check and done.returncode != 0:
        words = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise Failed(f"{' '.join(argv)}: exit code {done.returncode}: {words}")
    return done.stdout


def eventually(seconds, condition, pause=0.1):
    """As soon as the condition holds; False when it does not within so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(pause)
    return True


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def left(pid):
    """Is what has this process's number in its name ours, or nobody's any more?"""
    return pid.isdigit() and (int(pid) == os.getpid() or not alive(pid))


def kill_started_for(base):
    """Processes that a soak in this folder has started."""
    word = f"{OF}={base}".encode()
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if word in Path(f"/proc/{name}/environ").read_bytes().split(b"\0"):
                os.kill(int(name), signal.SIGKILL)
        except OSError:
            pass  # ended meanwhile


def mounts_below(base):
    """The last mounted first."""
    with open("/proc/self/mountinfo", encoding="utf-8") as f:
        return [line.split()[4] for line in f if line.split()[4].startswith(f"{base}/")][::-1]


class Ground:
    """Steps, each with what undoes it."""

    def __init__(self, base, build):
        self.base, self.build = base, build
        self.command = str(build / "holdfast")
        self.steps = []
        self.starting, self.closed = threading.Lock(), False
        self.claim()
        self.sweep()
        self.clear()

    def claim(self):
        """The folder is ours: it is made, or is empty, or an earlier run's; and no other run is at work in it."""
        mark = self.base / MARK
        if self.base.exists() and not mark.exists() and any(self.base.iterdir()):
            sys.exit(f"soak: {self.base} has files of somebody's: it must be a new folder, or an empty one")
        self.base.mkdir(parents=True, exist_ok=True)
        self.mark = open(mark, "a", encoding="ascii")
        try:
            fcntl.flock(self.mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(f"soak: another one is at work in {self.base}")

    def clear(self):
        if mounts_below(self.base):
            sys.exit(f"soak: an earlier run has left mounts that cannot be undone: {mounts_below(self.base)}")
        for path in self.base.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            elif path.name != MARK:
                path.unlink()

    def later(self, undo):
        """The step whose undoing this is; `end` does it before its time."""
        self.steps.append(undo)
        return undo

    def end(self, undo):
        if undo in self.steps:
            self.steps.remove(undo)
            undo()

    def close(self, keep):
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)  # or what is left to undo would stay
        with self.starting:
            self.closed = True
        while self.steps:
            undo = self.steps.pop()
            try:
                undo()
            except (Failed, OSError, subprocess.SubprocessError) as error:
                say(f"cleaning up: {error}")
        self.sweep()
        if keep:
            say(f"kept: {self.base}")
        elif mounts_below(self.base):
            say(f"still mounted, and so left there: {' '.join(mounts_below(self.base))}")
        else:
            shutil.rmtree(self.base, ignore_errors=True)

    def sweep(self):
        """What a run that was killed has left, and what was taken in the instant that ended ours."""
        kill_started_for(self.base)
        for _ in range(3):
            for where in mounts_below(self.base):
                subprocess.run(["umount", "-l", where], stderr=subprocess.DEVNULL, check=False)
        loops = subprocess.run(["losetup", "--json", "--list"], stdout=subprocess.PIPE, text=True, check=False).stdout
        for loop in json.loads(loops or "{}").get("loopdevices", []):
            if (loop["back-file"] or "").startswith(f"{self.base}/"):
                subprocess.run(["losetup", "-d", loop["name"]], check=False)
        for name in os.listdir("/run/netns") if os.path.isdir("/run/netns") else []:
            if name.startswith(f"{PREFIX}-") and left(name.split("-")[1]):
                subprocess.run(["ip", "netns", "del", name], check=False)
        for name in os.listdir("/sys/class/net"):
            found = re.fullmatch(LINK + "([0-9]+)a", name)
            if found and left(found[1]):  # it may have gone with its namespace just now
                subprocess.run(["ip", "link", "del", name], stderr=subprocess.DEVNULL, check=False)
        for top in filter(None, (_memory_tree(),)):
            for group in top[0].glob(f"{PREFIX}-*"):
                if left(group.name.split("-")[1]):
                    _remove_group(group)

    # --- processes

    def start(self, *argv, group=None, env=None, log=None):
        """A child of ours, in a control group if one is given."""
        argv = [str(word) for word in argv]
        if group:
            argv = ["sh", "-c", 'echo $$ > "$0" && exec "$@"', f"{group.path}/cgroup.procs", *argv]
        with self.starting, open(log or os.devnull, "ab") as out:
            if self.closed:  # for threads that go on for a moment
                raise Failed("nothing is started any more: all is being given back")
            child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
                                     env={**os.environ, **(env or {}), OF: str(self.base)})
            child.undo = self.later(lambda: end_child(child))
        return child

    # --- disks

    def loop(self, image):
        """A loop device of a file; (its name, what gives it back)."""
        name = run("losetup", "--find", "--show", image).strip()
        return name, self.later(lambda: run("losetup", "-d", name))

    def mount(self, kind, device, where, options=""):
        """What unmounts it."""
        Path(where).mkdir(parents=True, exist_ok=True)
        run("mount", "-t", kind, *(["-o", options] if options else []), device, where)
        return self.later(lambda: unmount(where))

    def host(self, size):
        """An xfs with reflinks, in a sparse file: where images lie."""
        image = self.base / "host.img"
        with open(image, "wb") as f:
            f.truncate(size)
        run("mkfs.xfs", "-q", "-m", "reflink=1", image)
        device, _ = self.loop(image)
        self.mount("xfs", device, self.base / "host", "discard")  # what is removed takes no room below
        return self.base / "host"


def end_child(child):
    """SIGTERM (and SIGCONT, should it be stopped), and SIGKILL when that is not heard."""
    if child.poll() is not None:
        return
    for sig in (signal.SIGCONT, signal.SIGTERM):
        child.send_signal(sig)
    try:
        child.wait(20)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait(30)


def unmount(where):
    """Somebody may look into it for a moment yet: be patient, then detach it."""
    for _ in range(50):
        done = subprocess.run(["umount", str(where)], stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode == 0 or "not mounted" in done.stderr:
            return
        time.sleep(0.2)
    subprocess.run(["umount", "-l", str(where)], check=False)
    raise Failed(f"{where} stays busy: {done.stderr.strip()}")


FORMATS = {  # mkfs, mount options (a copy has the identity of what it was copied from)
    "ext4": (["mkfs.ext4", "-q", "-F", "-m", "0"], ""),
    "xfs": (["mkfs.xfs", "-q", "-f"], "nouuid"),
    "btrfs": (["mkfs.btrfs", "-q", "-f"], ""),
}


def make_filesystem(kind, device):
    run(*FORMATS[kind][0], device)


class Disk:
    """tests/soak/disk.c under a loop device."""

    def __init__(self, ground, folder, size, seed):
        self.ground, self.folder, self.point = ground, folder, folder.with_name(folder.name + ".disk")
        folder.mkdir(parents=True)
        self.point.mkdir()
        self.child = ground.start(ground.build / "tests/soak/disk", folder, size, self.point, seed,
                                  log=ground.base / "disk.log")
        self._unmounted = ground.later(lambda: unmount(self.point))
        if not eventually(20, lambda: self.child.poll() is not None or (self.point / "disk").exists()):
            raise Failed("the disk does not get ready")
        if self.child.poll() is not None:
            raise Failed(f"the disk ended with {self.child.returncode}: {(ground.base / 'disk.log').read_text()}")
        self.device, self._loop = ground.loop(self.point / "disk")

    def do(self, *words):
        fd = os.open(self.point / "control", os.O_WRONLY)
        try:
            os.write(fd, " ".join(map(str, words)).encode() + b"\n")
        finally:
            os.close(fd)

    def counts(self):
        return json.loads((self.point / "control").read_text())

    def close(self):
        self.ground.end(self._loop)
        eventually(20, lambda: f"{self.point}/disk" not in run("losetup", "--list", "-n", "-O", "BACK-FILE"))
        self.ground.end(self._unmounted)
        self.ground.end(self.child.undo)
        shutil.rmtree(self.folder)
        self.point.rmdir()


# --- control groups

def _memory_tree():
    """(folder of the memory controller, is it version 2), or None."""
    unified = None
    with open("/proc/self/mounts", encoding="utf-8") as f:
        for line in f:
            _, where, kind, options = line.split()[:4]
            if kind == "cgroup" and "memory" in options.split(","):
                return Path(where), False
            if kind == "cgroup2":
                unified = Path(where)
    try:
        if unified and "memory" in (unified / "cgroup.controllers").read_text().split():
            return unified, True
    except OSError:
        pass
    return None


def _remove_group(path):
    for _ in range(50):
        try:
            path.rmdir()
            return
        except OSError:
            time.sleep(0.1)
    say(f"cleaning up: {path} stays, for processes are in it")


class Group:
    """A control group that limits memory, of either version; `none` says why there is none."""

    @staticmethod
    def none():
        if not _memory_tree():
            return "this kernel has no memory controller of control groups, or it is not mounted"
        if not os.access(_memory_tree()[0], os.W_OK):
            return "control groups cannot be made here"
        return ""

    def __init__(self, ground, name, limit):
        top, self.v2 = _memory_tree()
        self.limit, self.path = limit, top / f"{PREFIX}-{os.getpid()}-{name}"
        below = top / "cgroup.subtree_control"
        if self.v2 and "memory" not in below.read_text().split():
            below.write_text("+memory")
            ground.later(lambda: below.write_text("-memory"))
        self.path.mkdir()
        self.undo = ground.later(lambda: _remove_group(self.path))
        (self.path / ("memory.max" if self.v2 else "memory.limit_in_bytes")).write_text(str(limit))

    def _field(self, file, name):
        for line in (self.path / file).read_text().splitlines():
            if line.split()[0] == name:
                return int(line.split()[1])
        raise Failed(f"{self.path / file} has no {name}")

    def killed(self):
        """Processes that the kernel killed for want of memory."""
        return self._field("memory.events" if self.v2 else "memory.oom_control", "oom_kill")

    def reached(self):
        """How often the limit was reached."""
        return self._field("memory.events", "max") if self.v2 else int((self.path / "memory.failcnt").read_text())


# --- another machine, as the network sees it

class Elsewhere:
    """A network namespace with a cable to here that can be pulled, or made slow."""

    here, there = "198.18.77.1", "198.18.77.2"  # of the range for benchmarks, routed nowhere

    def __init__(self, ground):
        self.name = f"{PREFIX}-{os.getpid()}"
        self.near, self.far = f"{LINK}{os.getpid()}a", f"{LINK}{os.getpid()}b"
        run("ip", "netns", "add", self.name)
        ground.later(lambda: run("ip", "netns", "del", self.name))
        run("ip", "link", "add", self.near, "type", "veth", "peer", "name", self.far)
        ground.later(lambda: run("ip", "link", "del", self.near))
        run("ip", "link", "set", self.far, "netns", self.name)
        run("ip", "addr", "add", f"{self.here}/30", "dev", self.near)
        run("ip", "link", "set", self.near, "up")
        for words in (["addr", "add", f"{self.there}/30", "dev", self.far], ["link", "set", self.far, "up"],
                      ["link", "set", "lo", "up"]):
            run("ip", "-n", self.name, *words)

    @property
    def enter(self):
        return ["nsenter", f"--net=/run/netns/{self.name}"]

    def pull(self):
        run("ip", "-n", self.name, "link", "set", self.far, "down")

    def plug(self):
        run("ip", "-n", self.name, "link", "set", self.far, "up")

    def slow(self):
        """By netem where the kernel has it: late and lossy; else narrow alone. Which it was."""
        try:
            run("tc", "qdisc", "replace", "dev", self.near, "root", "netem", "delay", "200ms", "50ms", "loss", "3%",
                "rate", "1mbit")
            return "late, lossy and narrow"
        except Failed:
            run("tc", "qdisc", "replace", "dev", self.near, "root", "tbf", "rate", "500kbit", "burst", "16kb",
                "latency", "400ms")
            return "narrow"

    def fast(self):
        run("tc", "qdisc", "del", "dev", self.near, "root")


def need(ground_words):
    """Why a soak cannot be run here, or nothing."""
    if os.geteuid() != 0:
        return "it needs root: for loop devices, mounts, control groups and network namespaces"
    missing = [word for word in ground_words if not shutil.which(word)]
    if missing:
        return f"not installed: {', '.join(missing)} (make soak installs what it needs)"
    if not os.path.exists("/dev/fuse"):
        return "there is no /dev/fuse"
    if not os.path.exists("/dev/loop-control"):
        return "there are no loop devices"
    return ""


def on_signals():
    """Signals that end us end by way of every `finally`; what is ignored (nohup) stays so."""
    def leave(number, _):
        sys.exit(128 + number)
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, leave)
