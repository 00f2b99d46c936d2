# SPDX-License-Identifier: MIT
"""The figures: what is done, in which order, and what each needs. docs/BENCHMARKS.md says it for people."""

import json
import os
import random
import shutil
import sqlite3
import statistics
import time
from pathlib import Path

from shell import run, timed

SOURCE = Path(__file__).resolve().parents[2]
SEQ_MIB = 1024
FILES = 10000
FIO_MIB = 256
FIO_READS = 4096
FIO_WRITES = 8192
ROWS = 100000
ROWS_A_TRANSACTION = 100
COMMITS_A_PUSH = 100
TAGS = 1000
COMMANDS = 20
HOT_SECONDS = 1
HOT_TIMES = 15


class Figure:
    def __init__(self, name, unit, measure, needs=(), cold=False, only=None, input=None):
        self.name = name
        self.unit = unit
        self.more_is_better = unit in ("MB/s", "/s")
        self.measure = measure  # (kit, filesystem) -> number in `unit`
        self.needs = needs      # figures to be run before it, in the same place
        self.cold = cold        # everything is forgotten before it
        self.only = only        # the one filesystem that has it, or None
        self.input = input      # what of inputs.py it works on, or None


class Kit:
    """What a workload works with."""

    def __init__(self, fsbench, tagbench, inputs):
        self.fsbench = fsbench
        self.tagbench = tagbench
        self.inputs = inputs

    def loop(self, loop, path, count=1):
        return float(run(self.fsbench, loop, path, count))


FIGURES = {}


def add(name, unit, measure, needs=(), **kwargs):
    FIGURES[name] = Figure(name, unit, measure, needs, **kwargs)


def figure(name, unit, needs=(), **kwargs):
    def register(measure):
        add(name, unit, measure, needs, **kwargs)
        return measure
    return register


def hot(measure):
    """Once to warm up, then the median of what a second holds: milliseconds alone would be an accident."""
    measure()
    values = []
    end = time.monotonic() + HOT_SECONDS
    while not values or (time.monotonic() < end and len(values) < HOT_TIMES):
        values.append(measure())
    return statistics.median(values)


def loop(name, unit, which, file, count=1, needs=(), **kwargs):
    """A figure that fsbench measures."""
    add(name, unit, lambda kit, fs: kit.loop(which, fs.files / file, count), needs, **kwargs)


def hot_loop(name, unit, which, file, count=1, needs=()):
    add(name, unit, lambda kit, fs: hot(lambda: kit.loop(which, fs.files / file, count)), needs)


loop("seq-write", "MB/s", "seq-write", "big", SEQ_MIB)
hot_loop("seq-read-hot", "MB/s", "seq-read", "big", needs=["seq-write"])
loop("seq-read-cold", "MB/s", "seq-read", "big", needs=["seq-write"], cold=True)
loop("rand-read-cold", "/s", "rand-read", "big", 2000, needs=["seq-write"], cold=True)
loop("sync-write", "/s", "sync-write", "synced", 2000)
loop("small-write", "/s", "small-write", "small", 50000)
loop("create", "/s", "create", "many", FILES)
hot_loop("stat-hot", "/s", "stat", "many", FILES, needs=["create"])
hot_loop("read-small-hot", "/s", "read-small", "many", FILES, needs=["create"])
loop("stat-cold", "/s", "stat", "many", FILES, needs=["create"], cold=True)
loop("read-small-cold", "/s", "read-small", "many", FILES, needs=["create"], cold=True)
loop("delete", "/s", "delete", "many", FILES, needs=["create"])
loop("writers-4k", "MB/s", "writers-4k", "writers-4k", 2048)
loop("writers-1m", "MB/s", "writers-1m", "writers-1m", 32)


def fio(fs, jobs, how, block_bytes, total_bytes):
    """One job description for all: whole files, buffered, a fixed amount, bytes that do not compress."""
    here = fs.files / f"fio-{jobs}"
    here.mkdir(exist_ok=True)
    out = run("fio", "--name=bench", f"--directory={here}", "--filename_format=file.$jobnum", f"--rw={how}",
              f"--bs={block_bytes}", f"--size={(FIO_MIB << 20) // jobs}", f"--io_size={total_bytes // jobs}",
              f"--numjobs={jobs}", "--thread", "--group_reporting", "--ioengine=psync", "--direct=0",
              "--fallocate=none", "--end_fsync=1", "--refill_buffers", "--randrepeat=1", "--eta=never",
              "--output-format=json", cwd=fs.base)
    job, = json.loads(out[out.index("{"):])["jobs"]
    done = job["write" if how.endswith("write") else "read"]
    if job["error"] or done["io_bytes"] != total_bytes:
        raise RuntimeError(f"fio {how}: error {job['error']}, {done['io_bytes']} of {total_bytes} bytes")
    return done["bw_bytes"] / 1e6 if block_bytes > 4096 else done["iops"]


def fio_figures(jobs):
    def at(how, block_bytes, total_bytes):
        return lambda kit, fs: fio(fs, jobs, how, block_bytes, total_bytes)

    first = f"fio-seq-write-{jobs}"
    add(first, "MB/s", at("write", 1 << 20, FIO_MIB << 20))
    add(f"fio-seq-read-{jobs}", "MB/s", at("read", 1 << 20, FIO_MIB << 20), [first], cold=True)
    add(f"fio-rand-read-{jobs}", "/s", at("randread", 4096, FIO_READS * 4096), [first], cold=True)
    add(f"fio-rand-write-{jobs}", "/s", at("randwrite", 4096, FIO_WRITES * 4096), [first])


fio_figures(1)
fio_figures(4)


def insert_rows(path, journal):
    chance = random.Random(2)
    rows = [(chance.getrandbits(62), "%0100x" % chance.getrandbits(400)) for _ in range(ROWS)]
    base = sqlite3.connect(path, isolation_level=None)
    if base.execute(f"PRAGMA journal_mode={journal}").fetchone()[0] != journal:
        raise RuntimeError(f"sqlite: journal_mode={journal} is refused in {path}")
    base.execute("PRAGMA synchronous=FULL")
    base.execute("CREATE TABLE load (id INTEGER PRIMARY KEY, number INTEGER, words TEXT)")
    start = time.monotonic()
    for at in range(0, ROWS, ROWS_A_TRANSACTION):
        base.execute("BEGIN")
        base.executemany("INSERT INTO load (number, words) VALUES (?, ?)", rows[at:at + ROWS_A_TRANSACTION])
        base.execute("COMMIT")
    base.close()
    return ROWS / (time.monotonic() - start)


@figure("sqlite", "/s")
def sqlite(kit, fs):
    return insert_rows(fs.files / "rows.db", "delete")


@figure("sqlite-wal", "/s")
def sqlite_wal(kit, fs):
    return insert_rows(fs.files / "rows-wal.db", "wal")


@figure("git-clone", "s", input="repository")
def git_clone(kit, fs):
    bare = kit.inputs.path("repository") / "bare"
    return timed("git", "clone", "-q", "--no-hardlinks", bare, fs.files / "repo")


@figure("git-checkout", "s", ["git-clone"])
def git_checkout(kit, fs):
    return timed("git", "checkout", "-q", "HEAD~5", cwd=fs.files / "repo")


@figure("git-status", "s", ["git-clone"])
def git_status(kit, fs):
    return hot(lambda: timed("git", "status", "-s", cwd=fs.files / "repo"))


@figure("git-push", "s", input="history")
def git_push(kit, fs):
    source, bare = kit.inputs.path("history") / "bare", fs.files / "pushed"
    commits = run("git", "rev-list", "--reverse", "main", cwd=source).split()
    run("git", "init", "-q", "--bare", "-b", "main", bare)
    # Objects stay loose, as many small pushes would have left them; a thousand commands would be timed else.
    run("git", "config", "receive.unpackLimit", 1000000, cwd=bare)
    start = time.monotonic()
    for commit in commits[COMMITS_A_PUSH - 1::COMMITS_A_PUSH]:
        run("git", "push", "-q", bare, f"{commit}:refs/heads/main", cwd=source)
    return time.monotonic() - start


@figure("git-gc", "s", ["git-push"])
def git_gc(kit, fs):
    return timed("git", "gc", "-q", cwd=fs.files / "pushed")


@figure("tar", "s", ["git-clone"])
def tar(kit, fs):
    (fs.files / "out").mkdir()
    packed = fs.files / "tree.tar"
    return (timed("tar", "-cf", packed, "--exclude=.git", "-C", fs.files / "repo", ".")
            + timed("tar", "-xf", packed, "-C", fs.files / "out"))


@figure("rsync", "s", input="tree")
def rsync(kit, fs):
    return timed("rsync", "-a", kit.inputs.path("tree") / "tree", fs.files / "synced-tree")


@figure("rsync-again", "s", ["rsync"], input="tree")
def rsync_again(kit, fs):
    return rsync(kit, fs)


@figure("build", "s")
def build(kit, fs):
    here = fs.files / "source"
    here.mkdir()
    shutil.copy(SOURCE / "Makefile", here)
    for folder in ("fs", "store", "include"):
        shutil.copytree(SOURCE / folder, here / folder)
    fs.settle()
    return timed("make", "-s", f"-j{os.cpu_count()}", "CONFIG=release", "all", cwd=here)


@figure("snapshot-command", "ms", ["git-clone"], only="holdfast")
def snapshot_command(kit, fs):
    spent = []
    for n in range(COMMANDS):
        (fs.files / "changed").write_text(f"{n}\n")
        spent.append(timed(fs.command, "snapshot", fs.files, f"bench-{n}"))
    return 1000 * statistics.median(spent)


def tag_at_rest(kit, fs, kind):
    fs.unmount()
    try:
        return float(run(kit.tagbench, kind, fs.store, TAGS))
    finally:
        fs.mount()


@figure("snapshot", "ms", ["git-clone"], only="holdfast")
def snapshot(kit, fs):
    return tag_at_rest(kit, fs, "alone")


@figure("snapshot-durable", "ms", ["git-clone"], only="holdfast")
def snapshot_durable(kit, fs):
    return tag_at_rest(kit, fs, "durable")


@figure("rm-rf", "s", ["git-clone", "tar"])
def rm_rf(kit, fs):
    return timed("rm", "-rf", *(fs.files / name for name in ("repo", "out", "tree.tar")))


def with_needs(names):
    """These figures and what they need, in the order in which they are done."""
    wanted, left = set(), list(names)
    while left:
        name = left.pop()
        if name not in wanted:
            wanted.add(name)
            left += FIGURES[name].needs
    return [f for f in FIGURES.values() if f.name in wanted]
