# SPDX-License-Identifier: MIT
"""A store that is mounted, and a node, each as a child of ours, whose process is known."""

import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

from ground import Failed, eventually, run, say

UNMOUNT_SECONDS = 120


def free_port():
    return int(run(Path(__file__).resolve().parent.parent / "free-port"))


def open_below(top):
    """Who has what open there, for words."""
    found = []
    for fd in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            name = os.readlink(fd)
        except OSError:
            continue
        if name.startswith(f"{top}/"):
            found.append(f"{fd.parts[2]} {name}")
    return "; ".join(found) or "nobody has a file open in it"


class Volume:
    """`store` and where it is mounted, `files`."""

    def __init__(self, ground, store, files, kit=None, name="mount"):
        self.ground, self.store, self.files = ground, Path(store), Path(files)
        self.kit = Path(kit) if kit else None
        self.log = ground.base / f"{name}.log"
        self.child = None

    def make(self, *invitations):
        more = [word for place in invitations for word in ("--replica", place)]
        run(self.ground.command, "init", self.store, "--kit-file", self.kit, *more)
        return self

    @property
    def pid(self):
        return self.child.pid if self.child else 0

    def mount(self, options="", group=None, env=None):
        self.files.mkdir(parents=True, exist_ok=True)
        words = ["-o", options] if options else []
        child = self.ground.start(self.ground.command, "mount", self.store, self.files, "-f", *words, group=group,
                                  env=env, log=self.log)
        self._detach = self.ground.later(self.detach)
        self.child = child
        if not eventually(120, lambda: child.poll() is not None or os.path.ismount(self.files)):
            raise Failed(f"{self.store} does not get mounted within two minutes: {self.last_words()}")
        if child.poll() is not None:
            raise Failed(f"{self.store} does not mount: {self.last_words()}")
        return self

    def last_words(self):
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return " / ".join(lines[-3:])

    def detach(self):
        subprocess.run(["umount", "-l", str(self.files)], stderr=subprocess.DEVNULL, check=False)

    def unmount(self, replica_seconds=0):
        """As people do; its process has ended, with 0."""
        for attempt in range(100):  # somebody may look into it for a moment yet
            try:
                run(self.ground.command, "unmount", self.files, "--timeout", replica_seconds)
                break
            except Failed as error:
                if "busy" not in str(error) or attempt == 99:
                    raise Failed(f"{error} ({open_below(self.files)})") from None
                time.sleep(0.2)
        self.ended()
        code, self.child = self.child.returncode, None
        if code != 0:
            raise Failed(f"the mount ended with {code}: {self.last_words()}")

    def ended(self):
        try:
            self.child.wait(UNMOUNT_SECONDS)
        except subprocess.TimeoutExpired:
            raise Failed(f"the mount does not end within {UNMOUNT_SECONDS} s") from None
        self.ground.end(self.child.undo)
        self.ground.end(self._detach)

    def drop(self):
        """However it is: detached, and its process ended."""
        if self.child:
            self.detach()
            try:
                self.child.wait(UNMOUNT_SECONDS)
            except subprocess.TimeoutExpired:
                say(f"killed: the mount of {self.store}, which did not end after it was unmounted")
                self.child.kill()
            self.ended()
            self.child = None

    def status(self):
        done = subprocess.run([self.ground.command, "status", str(self.store), "--json"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=60, check=False)
        try:
            return json.loads(done.stdout)
        except ValueError:
            raise Failed(f"status: exit code {done.returncode}: {done.stderr.strip()}") from None

    def replica(self, name):
        return next(r for r in self.status()["replicas"] if r["name"] == name)

    def check(self):
        """Words for what `holdfast check` finds; none: nothing."""
        done = subprocess.run([self.ground.command, "check", str(self.store)], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=600, check=False)
        return "" if done.returncode == 0 else f"check: exit code {done.returncode}: {done.stdout.strip()[-500:]}"


class Node:
    """`holdfast serve`, at a fixed place, so that it can go and come back; `enter` puts a command where it is."""

    def __init__(self, ground, folder, host="127.0.0.1", port=None, enter=(), name="node"):
        self.ground, self.dir, self.enter = ground, Path(folder), list(enter)
        self.host, self.port = host, port or free_port()
        self.log = ground.base / f"{name}.log"
        self.child = None
        run(ground.command, "node", "init", self.dir, "--listen", f"{host}:{self.port}")

    @property
    def pid(self):
        return self.child.pid if self.child else 0

    def serve(self, env=None):
        self.child = self.ground.start(*self.enter, self.ground.command, "serve", self.dir, "-f", env=env,
                                       log=self.log)
        if not eventually(60, lambda: self.child.poll() is not None or self.listens()):
            raise Failed("the node does not listen within a minute")
        if self.child.poll() is not None:
            raise Failed(f"the node ended with {self.child.returncode}: {self.log.read_text()[-500:]}")
        return self

    def listens(self):
        try:
            socket.create_connection((self.host, self.port), 2).close()
            return True
        except OSError:
            return False

    def kill(self):
        self.child.kill()
        self.child.wait(60)
        self.ground.end(self.child.undo)

    def stop(self):
        self.ground.end(self.child.undo)

    def invite(self, volume=None):
        return run(self.ground.command, "node", "invite", self.dir, *(["--volume", volume] if volume else [])).strip()

    def alarms(self):
        done = subprocess.run([self.ground.command, "node", "status", str(self.dir), "--json"],
                              stdout=subprocess.PIPE, text=True, timeout=60, check=False)
        return {a["kind"] for a in json.loads(done.stdout)["alarms"]}

    def remove(self):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)


def same_log(copy, log):
    """Words for how the segments in `copy` are not those of `log`; both may be laid out ahead, in zeros."""
    names = sorted(f.name for f in log.glob("*.seg"))
    if sorted(f.name for f in copy.glob("*.seg")) != names:
        return f"{copy} has other segments than {log}"
    for name in names:
        with open(copy / name, "rb") as a, open(log / name, "rb") as b:
            while True:
                x, y = a.read(1 << 20), b.read(1 << 20)
                if not x and not y:
                    break
                n = min(len(x), len(y))
                if x[:n] != y[:n] or x[n:].strip(b"\0") or y[n:].strip(b"\0"):
                    return f"{copy / name} differs from {log / name}"
    return ""
