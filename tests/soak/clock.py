# SPDX-License-Identifier: MIT
"""The clocks of a mount and of its node are set forward and back, alone and together, under load. The machine's own
clock is left alone: libfaketime shows another to these two processes."""

import calendar
import glob
import time
from pathlib import Path

from ground import eventually
from volume import Node, Volume
from writers import Files, Git, Sqlite, finish_all

LIBRARIES = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib*/faketime/libfaketimeMT.so.1",
             "/usr/lib*/libfaketimeMT.so.1")
DAY = 86400
# (mount's clock, node's clock), each in seconds from what is true
SETTINGS = ((3600, 0), (-3600, 0), (0, 2 * DAY), (0, -2 * DAY), (400 * DAY, 400 * DAY), (-900 * DAY, 30), (20, -20),
            (-DAY, DAY), (0, 0))


class Clock:
    def __init__(self, ground, name, library):
        self.file = ground.base / f"{name}.clock"
        self.set(0)
        self.pids = []  # whose clock it is
        ground.later(self.forget)
        self.env = {"LD_PRELOAD": library, "FAKETIME_TIMESTAMP_FILE": str(self.file), "FAKETIME_NO_CACHE": "1",
                    "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1"}

    def set(self, seconds):
        new = self.file.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        new.rename(self.file)

    def forget(self):
        """libfaketime leaves what its processes shared when they end by a signal."""
        for pid in self.pids:
            for name in (f"faketime_shm_{pid}", f"sem.faketime_sem_{pid}"):
                Path("/dev/shm", name).unlink(missing_ok=True)


def clock(soak, seconds):
    library = next((name for pattern in LIBRARIES for name in sorted(glob.glob(pattern))), None)
    if not library:
        soak.skip("clocks set forward and back", "libfaketime is not installed")
        return
    ground, base = soak.ground, soak.ground.base / "clock"
    base.mkdir()
    here, there = Clock(ground, "here", library), Clock(ground, "there", library)
    node = Node(ground, base / "node", name="clock-node").serve(there.env)
    there.pids.append(node.pid)
    volume = Volume(ground, base / "store", base / "mnt", base / "kit", "clock").make(node.invite())
    volume.mount("cache=64M", env=here.env)
    here.pids.append(volume.pid)
    replica = volume.status()["replicas"][0]["name"]
    top = volume.files
    writers = [Git(top / "git", pause=0.1), Sqlite(top / "sqlite", way=2, pause=0.02),
               Files(top / "files", pause=0.02)]
    for writer in writers:
        writer.start()
    wrong, last, end, moments, false = [], "", time.monotonic() + seconds, [], 0
    settings = list(SETTINGS)
    while settings or time.monotonic() < end:
        offset = settings.pop(0) if settings else (soak.random.randrange(-900 * DAY, 900 * DAY),
                                                   soak.random.randrange(-900 * DAY, 900 * DAY))
        here.set(offset[0])
        there.set(offset[1])
        soak.count("clocks set", 2)
        words = f"with the clocks at {offset[0]:+,} s here and {offset[1]:+,} s at the node: "
        before = [w.promise for w in writers]
        if not eventually(30, lambda: all(w.promise > b for w, b in zip(writers, before))):
            wrong.append(words + f"somebody gets nothing durable within 30 s ({[w.errors[-1:] for w in writers]})")
            break
        status = volume.status()
        if status["committed_time"] < last:
            wrong.append(words + f"time goes back in the volume, from {last} to {status['committed_time']}")
        last = status["committed_time"]
        tid = int(status["committed_tid"])
        if not eventually(60, lambda: int(volume.replica(replica)["acked_tid"]) >= tid):
            wrong.append(words + f"the node does not get what is durable within a minute: {volume.replica(replica)}")
        moments.append(tid)
        false += is_false(offset[0], status)
        time.sleep(min(2, seconds / 20))
    if not false:
        wrong.append("the process has never seen another clock: the test has not tested")
    if "clock" not in node.alarms():
        wrong.append(f"the node raised no alarm of its clock: {sorted(node.alarms())}")
    wrong += finish_all(writers)
    wrong += [w.wrong(w.top, w.promise, w.begun) for w in writers]
    for tid in moments:
        if not (top / ".history/at" / f"tid-{tid}" / "files").is_dir():
            wrong.append(f"the moment tid-{tid} cannot be seen")
    volume.unmount(60)
    wrong.append(volume.check())
    node.remove()
    wrong = [w for w in wrong if w]
    soak.ok(not wrong, f"clocks set {2 * len(moments)} times, by days and years: writing, order, past and replica "
            "go on", *wrong)


def is_false(offset, status):
    """Is the newest operation's time what the false clock says, when that is ahead of all before? 1 or 0."""
    if offset <= 0:
        return 0
    then = calendar.timegm(time.strptime(status["committed_time"][:19], "%Y-%m-%dT%H:%M:%S"))
    return int(then - time.time() > offset / 2)
