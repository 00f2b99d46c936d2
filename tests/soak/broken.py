# SPDX-License-Identifier: MIT
"""A disk that answers with EIO: what is promised stays, nobody is told what is not so, and it is said in words."""

import errno
import os
import shutil
import time

from ground import Disk, Failed, eventually, make_filesystem, run
from volume import Volume
from writers import Files, Git, Sqlite, finish_all

DISK_BYTES = 1 << 30
LARGE_BYTES = 2 << 20


class Bench:
    """An ext4 with a store, on a disk that can be told to fail."""

    def __init__(self, soak, name):
        self.soak, self.ground, self.base = soak, soak.ground, soak.host / name
        self.base.mkdir()
        self.disk = Disk(self.ground, self.base / "disk", DISK_BYTES, soak.random.getrandbits(63))
        make_filesystem("ext4", self.disk.device)
        self.below = self.base / "below"
        self.volume = Volume(self.ground, self.below / "store", self.base / "mnt", self.base / "kit", name)
        self.attach()
        self.volume.make()
        os.sync()
        self.volume.mount("cache=64M")

    def attach(self):
        self.unmounted = self.ground.mount("ext4", self.disk.device, self.below)

    def detach(self):
        self.ground.end(self.unmounted)

    def load(self):
        top = self.volume.files
        self.writers = [Git(top / "git"), Sqlite(top / "sqlite"), Files(top / "files")]
        for writer in self.writers:
            writer.start()
        if not eventually(90, lambda: all(w.promise >= 3 for w in self.writers)):
            raise Failed(f"the load does not begin: {[w.errors[-1:] for w in self.writers]}")
        time.sleep(2 + 2 * self.soak.random.random())

    def judge(self):
        return [w.wrong(self.volume.files / w.top.name, w.promise, w.begun) for w in self.writers]

    def remove(self):
        self.detach()
        self.disk.close()
        shutil.rmtree(self.base)


def writes_fail(soak, name, how):
    """`how`: the command that makes the disk fail, and the one that mends it."""
    bench = Bench(soak, name)
    bench.load()
    known = bench.volume.files / "known"
    known.write_bytes(b"known\n" * 1000)
    with open(known, "rb") as f:
        os.fsync(f.fileno())
    bench.disk.do(*how[0])
    wrong = []
    if not eventually(90, lambda: all(w.errors or not w.is_alive() for w in bench.writers)):
        wrong.append(f"somebody is not told within 90 s: {[(type(w).__name__, w.promise) for w in bench.writers]}")
    told = time.monotonic()
    failed = bench.volume.status()["failed"]
    if not failed:
        wrong.append("status does not say that writing has stopped")
    elif "mount again" not in failed:
        wrong.append(f"status does not say what to do: {failed}")
    try:
        with open(bench.volume.files / "late", "wb") as f:
            f.write(b"late")
            f.flush()
            os.fsync(f.fileno())
        wrong.append("an fsync after the failure returns 0")
    except OSError as error:
        if error.errno not in (errno.EIO, errno.ENOSPC, errno.EROFS):
            wrong.append(f"an fsync after the failure fails with {error}")
    try:
        if known.read_bytes() != b"known\n" * 1000:
            wrong.append("what was there before reads as something else")
    except OSError as error:
        wrong.append(f"what was there before cannot be read: {error}")
    finish_all(bench.writers)
    bench.volume.drop()
    if time.monotonic() - told > 120:
        wrong.append("the mount took over two minutes to end")
    counts = bench.disk.counts()
    bench.disk.do(*how[1])
    bench.detach()  # as a reboot would
    bench.attach()
    wrong.append(bench.volume.check())
    bench.volume.mount()
    wrong += bench.judge()
    bench.volume.unmount()
    wrong.append(bench.volume.check())
    wrong = [w for w in wrong if w]
    soak.count("requests that a disk failed", counts["failed"])
    if not wrong:
        bench.remove()
    return wrong


def forget(folder):
    """The kernel's copy of files is given up, so that they are read from the disk."""
    os.sync()
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            fd = os.open(path, os.O_RDONLY)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(fd)


def reads_fail(soak):
    """Reads fail for a while: the reader is told, and afterwards all is as it was, without mounting again."""
    bench = Bench(soak, "reads")
    name, data, wrong = bench.volume.files / "large", os.urandom(LARGE_BYTES), []
    name.write_bytes(data)
    run("sync", name)
    bench.volume.unmount()
    bench.volume.mount("cache=64M")
    forget(bench.volume.store / "log")
    bench.disk.do("fail", "read")
    try:
        got = name.read_bytes()
        if bench.disk.counts()["failed"] == 0:
            wrong.append("nothing was read from the disk at all: the test has not tested")
        elif got != data:
            wrong.append("a read that failed below gives other bytes, and no error")
    except OSError as error:
        if error.errno != errno.EIO:
            wrong.append(f"a read that failed below is {error}")
    bench.disk.do("fail", "none")
    try:
        if name.read_bytes() != data:
            wrong.append("after the disk was well again it reads as something else")
    except OSError as error:
        wrong.append(f"after the disk was well again: {error}")
    status = bench.volume.status()
    if status["failed"]:
        wrong.append(f"reads that failed have stopped the writing: {status['failed']}")
    soak.count("requests that a disk failed", bench.disk.counts()["failed"])
    bench.volume.unmount()
    wrong.append(bench.volume.check())
    wrong = [w for w in wrong if w]
    if not wrong:
        bench.remove()
    return wrong


def rot(soak, folder):
    """Bits of every table of the index that is not small change, here and there."""
    for path in folder.glob("*.sst"):
        with open(path, "r+b") as f:
            size = os.fstat(f.fileno()).st_size
            for _ in range(4 if size > 8192 else 0):
                at = soak.random.randrange(size)
                was = os.pread(f.fileno(), 1, at)
                if was:
                    os.pwrite(f.fileno(), bytes([was[0] ^ 1 << soak.random.randrange(8)]), at)


def index_rots(soak):
    """The index rots under load: it is told, and what was promised is there when it has been mounted again."""
    bench = Bench(soak, "rot")
    bench.load()
    wrong, end = [], time.monotonic() + 120
    while not bench.volume.status()["index_damaged"] and time.monotonic() < end:
        rot(soak, bench.volume.store / "index")  # of which what is in memory is not read again
        time.sleep(1)
    if not bench.volume.status()["index_damaged"]:
        wrong.append("the index has rotted for two minutes, and nobody was told")
    time.sleep(5)
    finish_all(bench.writers)
    bench.volume.unmount()
    bench.volume.mount()
    status = bench.volume.status()
    if status["index_damaged"] or status["failed"]:
        wrong.append(f"mounted again it is no better: {status['failed']}")
    wrong += bench.judge()
    bench.volume.unmount()
    wrong.append(bench.volume.check())
    wrong = [w for w in wrong if w]
    soak.count("indexes that rotted under load")
    if not wrong:
        bench.remove()
    return wrong


def broken(soak, seconds):
    end, number = time.monotonic() + seconds, 0
    faults = {"a disk that fails every write and sync": (("fail", "write"), ("fail", "none")),
              "a disk that fails everything": (("fail", "all"), ("fail", "none")),
              "thin provisioned storage that has run out": (("full", "on"), ("full", "off"))}
    while number == 0 or time.monotonic() < end:
        for name, how in faults.items():
            wrong = writes_fail(soak, f"broken{number}", how)
            soak.ok(not wrong, f"{name}: errors are told, what was there is read, nothing promised is lost", *wrong)
            soak.count("disks that failed under load")
            number += 1
            if number >= len(faults) and time.monotonic() > end:
                break
        if number == len(faults):  # once
            wrong = reads_fail(soak)
            soak.ok(not wrong, "reads that fail are told to who reads, and are good again when the disk is", *wrong)
            wrong = index_rots(soak)
            soak.ok(not wrong, "an index that rots: it is told, and nothing promised is lost", *wrong)
