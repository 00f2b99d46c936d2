# SPDX-License-Identifier: MIT
"""The disk below fills up under load, and is freed: errors at the call, reads and removals go on, nothing promised is
lost, and it recovers by itself."""

import errno
import os
import time

from ground import Failed, eventually, make_filesystem
from volume import Volume
from writers import Files, Sqlite

DISK_BYTES, LEFT_BYTES = 1 << 30, 280 << 20
FULL_WORDS = ("No space left", "database or disk is full", "disk I/O error")


def fill(path):
    """All that is left, to the last block."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        step, at = 64 << 20, 0
        while step >= 4096:
            try:
                os.posix_fallocate(fd, at, step)
                at += step
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                step //= 2
    finally:
        os.close(fd)


def moves(writers, seconds):
    """Does each of them get something durable?"""
    before = [w.promise for w in writers]
    return eventually(seconds, lambda: all(w.promise > b for w, b in zip(writers, before)))


def once(soak, volume, writers, filler, number):
    files = writers[0]
    wrong, seen = [], [len(w.errors) for w in writers]
    doomed = volume.files / f"doomed{number}"
    doomed.write_bytes(os.urandom(300000))
    fill(filler)  # what the store had laid out ahead is used up first
    if not eventually(90, lambda: any(len(w.errors) > s for w, s in zip(writers, seen)), 0.05):
        wrong.append("nobody is told within 90 s that the disk is full")
    promise = files.promise
    words = files.wrong(files.top, promise, files.begun)
    if words:
        wrong.append(f"while it is full: {words}")
    try:
        os.unlink(doomed)
    except OSError as error:
        wrong.append(f"removing while it is full: {error}")
    if doomed.exists():
        wrong.append("what was removed while it was full is still there")
    failed = volume.status()["failed"]
    if failed:
        wrong.append(f"a full disk has stopped the writing for good: {failed}")
    for w, s in zip(writers, seen):
        for _, number_of, text in w.errors[s:]:
            if number_of not in (0, errno.ENOSPC) or not any(known in text for known in FULL_WORDS):
                wrong.append(f"an error that is not of a full disk: {text}")
        soak.count("calls that were told there is no room", len(w.errors) - s)
    filler.unlink()
    if not moves(writers, 60):
        wrong.append(f"a minute after there is room again somebody still cannot write: {writers[-1].errors[-1:]}")
    soak.count("times the disk filled up and was freed")
    return wrong


def room(soak, seconds):
    base = soak.host / "room"
    base.mkdir()
    image = base / "image"
    with open(image, "wb") as f:
        f.truncate(DISK_BYTES)
    end, wrong, number = time.monotonic() + seconds, [], 0
    device, detach = soak.ground.loop(image)
    make_filesystem("ext4", device)
    below = base / "below"
    unmount = soak.ground.mount("ext4", device, below)
    volume = Volume(soak.ground, below / "store", base / "mnt", base / "kit", "room").make()
    volume.mount("cache=64M")
    writers = [Files(volume.files / "files", patient=True), Sqlite(volume.files / "sqlite", way=1, patient=True)]
    for writer in writers:
        writer.start()
    if not moves(writers, 60):
        raise Failed(f"the load does not begin: {[w.errors[-1:] for w in writers]}")
    while number == 0 or time.monotonic() < end:
        st = os.statvfs(below)
        if st.f_bavail * st.f_frsize < LEFT_BYTES and number > 0:
            break  # the log itself has grown to where another round would be of its own making
        wrong += once(soak, volume, writers, below / "filler", number)
        number += 1
        time.sleep(1)
    promises = [w.promise for w in writers]
    for writer in writers:
        writer.finish()
    wrong += [w.wrong(w.top, p, w.begun) for w, p in zip(writers, promises)]
    volume.unmount()
    wrong.append(volume.check())
    volume.mount()
    wrong += [w.wrong(w.top, p, w.begun) for w, p in zip(writers, promises)]
    volume.unmount()
    wrong = [w for w in wrong if w]
    soak.ok(not wrong, f"a full disk, {number} times under load: refused at the call, read and removed, and written "
            "to again as soon as there was room", *wrong)
    soak.ground.end(unmount)
    soak.ground.end(detach)
