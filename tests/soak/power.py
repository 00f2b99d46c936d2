# SPDX-License-Identifier: MIT
"""Power cuts: what the disk is at random instants of a load is opened, as after a cut, and must have all promised."""
import os
import shutil
import time

from ground import FORMATS, Disk, Failed, eventually, make_filesystem, run, say
from volume import Volume
from writers import Files, Fio, Git, Sqlite, Steps, finish_all

DISK_BYTES = 3 << 30
LIFE_SECONDS, LIFE_CUTS = 25, 8
MODES = ("some", "all", "none", "some")  # of disk.c


class Life:
    """A file system with a store in it, under load, from mkfs to the last cut."""

    def __init__(self, soak, kind, number):
        self.soak, self.ground, self.kind = soak, soak.ground, kind
        self.base = soak.host / f"life{number}"
        self.base.mkdir()
        self.disk = Disk(self.ground, self.base / "disk", DISK_BYTES, soak.random.getrandbits(63))
        make_filesystem(kind, self.disk.device)
        self.below = self.base / "below"
        self.unmounted = self.ground.mount(kind, self.disk.device, self.below)
        self.volume = Volume(self.ground, self.below / "store", self.base / "mnt", self.base / "kit",
                             f"power{number}")
        self.volume.make()
        os.sync()  # the store itself is there
        self.volume.mount(group=soak.groups.get("default"))
        top = self.volume.files
        self.writers = [Git(top / "git"), Sqlite(top / "sqlite", way=number), Files(top / "files"),
                        Steps(self.ground, top / "steps", f"life{number}"), Fio(self.ground, top / "fio")]
        self.cuts = []
        for writer in self.writers:
            writer.start()

    def cut(self, mode):
        """The power fails, for a copy."""
        file = self.base / f"cut{len(self.cuts)}"
        promises = [w.promise for w in self.writers]
        self.disk.do("cut", file, mode)
        self.cuts.append((file, mode, promises, [w.begun for w in self.writers]))

    def end(self):
        """The load is stopped, and nothing of the original is mounted any more."""
        words = finish_all(self.writers)
        self.volume.unmount()
        self.ground.end(self.unmounted)
        self.counts = self.disk.counts()
        self.disk.close()
        return words

    def judge(self, cut):
        """Words for what is wrong with what a cut has left."""
        file, mode, promises, begun = cut
        device, detach = self.ground.loop(file)
        words, unmount = [], None
        try:
            unmount = self.ground.mount(self.kind, device, self.below, FORMATS[self.kind][1])
            volume = Volume(self.ground, self.below / "store", self.base / "again", name="again")
            words.append(volume.check())
            volume.mount()
            try:
                words += [w.wrong(volume.files / w.top.name, p, b)
                          for w, p, b in zip(self.writers, promises, begun)]
            finally:
                volume.unmount()
        except Failed as error:
            words.append(str(error))
        finally:
            if unmount:
                self.ground.end(unmount)
            self.ground.end(detach)
        return [f"{self.kind}, {mode} of the cache: {w}" for w in words if w]

    def remove(self):
        shutil.rmtree(self.base)


def one_life(soak, kind, number, seconds, cuts):
    life = Life(soak, kind, number)
    share, idle = seconds / cuts, []
    for i in range(cuts):
        time.sleep(share * (0.2 + 0.8 * soak.random.random()))
        if i == cuts - 1 and not eventually(60, lambda: all(w.promise for w in life.writers)):
            idle.append("somebody gets nothing durable: the test has not tested")
        life.cut(MODES[(i + number) % len(MODES)])
    wrong = idle + life.end()
    for cut in life.cuts:
        wrong += life.judge(cut)
        if not wrong:
            cut[0].unlink()
    promised = sum(p for p in life.cuts[-1][2])
    soak.ok(not wrong, f"power cuts on {kind}: {cuts}, after {promised:,} durable steps: nothing promised is lost, "
            "and nothing damaged", *wrong)
    for name in ("kept", "dropped", "torn"):
        soak.count(f"writes in the disk's cache at a cut: {name}", life.counts[name])
    for _, mode, promises, _ in life.cuts:
        soak.count(f"power cuts, {kind}")
        soak.count("promises held against what a cut left", sum(1 for p in promises if p))
    soak.count("steps that were durable when the power failed", promised)
    if not wrong:
        life.remove()


def lying(soak, number):
    """The test is tried: a disk that says it has synced and has not must be found out."""
    life = Life(soak, "ext4", number)
    begun = eventually(60, lambda: all(w.promise for w in life.writers))
    os.sync()
    life.disk.do("lie", "on")
    before = [w.promise for w in life.writers]
    # of who counts step by step; one more may have been durable, and not told yet
    lied = begun and eventually(60, lambda: any(w.promise > b + 1 for w, b in zip(life.writers[:3], before)))
    life.cut("none")
    life.disk.do("lie", "off")
    errors, wrong = life.end(), life.judge(life.cuts[0])
    if not lied:
        errors.append("nothing was promised while the disk lied: the test has not tested")
    soak.ok(wrong and not errors, "a disk that lies about a sync is found out by these very tests", *errors)
    say(f"by: {wrong[0][:150] if wrong else ''}")
    life.remove()


def power(soak, seconds):
    kinds = [k for k in FORMATS if shutil.which(f"mkfs.{k}") and usable(k)]
    for kind in set(FORMATS) - set(kinds):
        soak.skip(f"power cuts on {kind}", "this kernel has it not, or mkfs is not installed")
    end, number = time.monotonic() + seconds, 0
    short = min(1.0, seconds / 180)
    lying(soak, number)
    while number < len(kinds) or time.monotonic() < end:
        kind = kinds[number % len(kinds)]
        number += 1
        one_life(soak, kind, number, max(5, LIFE_SECONDS * short), max(3, round(LIFE_CUTS * short)))


def usable(kind):
    with open("/proc/filesystems", encoding="ascii") as f:
        if kind in f.read().split():
            return True
    try:
        run("modprobe", kind)
        return True
    except (Failed, OSError):
        return False
