# SPDX-License-Identifier: MIT
"""The filesystems that are measured, each in a folder of its own on the same disk."""

import json
import os
import platform
import shutil
import subprocess
import time
from pathlib import Path

from shell import run

DROP_CACHES = Path("/proc/sys/vm/drop_caches")


def can_drop_caches():
    return os.access(DROP_CACHES, os.W_OK)


def unmount(*argv):
    """Something else on the machine may look into a mount for a moment: be patient."""
    for attempt in range(50):
        try:
            run(*argv)
            return
        except RuntimeError as error:
            if "busy" not in str(error) or attempt == 49:
                raise
            time.sleep(0.2)


class Filesystem:
    """The disk's own, and what the others are made from. `files` is where its files are seen."""

    name = "ext4"

    def __init__(self, base):
        self.base = base
        self.backing = base / "backing"
        self.files = self.backing

    def version(self):
        return platform.release()

    def make(self):
        shutil.rmtree(self.base, ignore_errors=True)
        self.backing.mkdir(parents=True)

    def mount(self):
        pass

    def unmount(self):
        pass

    def counts(self, figure):
        """Whether its value says something."""
        return True

    def settle(self):
        """What one figure has left to be written must not burden the next."""
        os.sync()

    def cold(self):
        """Forget everything cached: the kernel's pages and the filesystem's own memory."""
        self.unmount()
        os.sync()
        DROP_CACHES.write_text("3\n")
        self.mount()


class Mounted(Filesystem):
    def __init__(self, base):
        super().__init__(base)
        self.files = base / "mnt"

    def make(self):
        super().make()
        self.files.mkdir()

    def unmount(self):
        unmount("fusermount3", "-u", self.files)
        # It returns before the daemon has gone.
        for _ in range(1000):
            if subprocess.run(["pgrep", "-f", f"^({self.name}|/usr/bin/{self.name}) .*{self.files}"],
                              stdout=subprocess.DEVNULL).returncode:
                return
            time.sleep(0.01)


class Bindfs(Mounted):
    name = "bindfs"

    def version(self):
        return run("bindfs", "--version").split()[1]

    def mount(self):
        run("bindfs", self.backing, self.files)


class Mergerfs(Mounted):
    """One branch, and the page cache as much used as it can be told to."""

    name = "mergerfs"

    def version(self):
        return run("mergerfs", "--version").split()[-1].lstrip("v")

    def mount(self):
        run("mergerfs", "-o", "cache.files=auto-full", self.backing, self.files)


class Gocryptfs(Mounted):
    name = "gocryptfs"

    def version(self):
        return run("gocryptfs", "--version").split(";")[0].split()[1]

    def make(self):
        super().make()
        run("gocryptfs", "-q", "-init", "-extpass", "echo bench", self.backing)

    def mount(self):
        run("gocryptfs", "-q", "-extpass", "echo bench", self.backing, self.files)


class Holdfast(Mounted):
    name = "holdfast"
    command = "holdfast"
    options = ""

    def __init__(self, base):
        super().__init__(base)
        self.store = self.backing / "store"

    def version(self):
        return run(self.command, "--version").split()[-1]

    def make(self):
        super().make()
        run(self.command, "init", self.store, "--kit-file", self.base / "kit")

    def mount(self):
        run(self.command, "mount", self.store, self.files, *(["-o", self.options] if self.options else []))

    def unmount(self):
        unmount(self.command, "unmount", self.files)

    def status(self):
        """1 is for alarms, and what a benchmark does to its files is alarming."""
        return json.loads(run(self.command, "status", self.store, "--json", codes=(0, 1)))

    def settle(self):
        """sync(2) does not reach a FUSE daemon: wait for its next commit, which is a second off at most."""
        for _ in range(200):
            status = self.status()
            if not status["pending_bytes"] and status["committed_tid"] >= status["head_tid"]:
                break
            time.sleep(0.05)
        os.sync()


class Ceiling(Mounted):
    """holdfast's mount over a store that keeps nothing: what messages to a process cost on this machine."""

    name = "ceiling"
    command = "ceiling"
    # It does not write out what is not synced, and what it does sync is the same 64 MiB.
    beyond_it = {"seq-write", "writers-1m", "fio-seq-write-1", "fio-seq-write-4"}

    def version(self):
        return "of this build"

    def counts(self, figure):
        return not figure.cold and figure.name not in self.beyond_it

    def mount(self):
        # as the holdfast command does for itself
        run("env", "GLIBC_TUNABLES=glibc.malloc.hugetlb=1", self.command, self.files, self.backing / "synced")

    def unmount(self):
        unmount("fusermount3", "-u", self.files)

    def cold(self):
        DROP_CACHES.write_text("3\n")


KINDS = {kind.name: kind for kind in (Filesystem, Bindfs, Mergerfs, Gocryptfs, Holdfast, Ceiling)}
