# SPDX-License-Identifier: MIT
"""Programs at work in a mount, each of which knows what it has been told is durable, and can judge what a disaster
has left: everything promised must be there, and nothing that was not begun.

What is promised is kept in this process and on another disk, never in the mount. `promise` is what was durable before
some instant, `begun` what had been started by then: a judge takes both, so that writers can go on meanwhile.
"""

import errno
import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

from ground import Failed, run

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "bench"))
from shell import GIT_ENV  # noqa: E402


def pattern(n, size):
    """Bytes that only step n has, and that do not compress."""
    return hashlib.shake_128(b"step %d" % n).digest(size)


def sync_folder(path):
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class Writer(threading.Thread):
    """Steps 1, 2, 3, …; `promise` is the last that is durable. An error is kept; who is patient goes on after it."""

    def __init__(self, top, pause=0.0, patient=False):
        super().__init__(daemon=True)
        self.top, self.pause, self.patient = Path(top), pause, patient
        self.promise = self.begun = 0
        self.errors = []  # (time, errno or 0, words)
        self.halt = threading.Event()

    def run(self):
        while not self.halt.is_set():
            try:
                self.ready()
                while not self.halt.is_set():
                    self.begun = self.promise + 1
                    self.step(self.begun)
                    self.promise = self.begun
                    self.halt.wait(self.pause)
            except (OSError, sqlite3.Error, Failed) as error:
                if self.halt.is_set():
                    return
                number = getattr(error, "errno", 0) or 0
                self.errors.append((time.monotonic(), number, f"{type(self).__name__}: {error}"))
                if not self.patient:
                    return
                self.halt.wait(0.2)

    def ready(self):
        """Before the first step, and after an error."""

    def finish(self, seconds=180):
        self.halt.set()
        self.join(seconds)
        if self.is_alive():
            raise Failed(f"{type(self).__name__} hangs in the mount")

    def wrong(self, top, promise, begun):
        """Words for what is not as it must be below `top`, or none."""
        try:
            if promise == 0:
                return ""  # it had been promised nothing
            return self.judge(Path(top), promise, begun)
        except (OSError, sqlite3.Error, Failed, subprocess.SubprocessError) as error:
            return f"{type(self).__name__}, {promise} promised: {error}"


class Files(Writer):
    """A file written beside, synced, renamed over the one of its slot, and the folder synced."""

    slots, sizes = 24, (1000, 150000)

    def size(self, n):
        return self.sizes[0] + n * 7919 % (self.sizes[1] - self.sizes[0])

    def ready(self):
        self.top.mkdir(parents=True, exist_ok=True)

    def step(self, n):
        new = self.top / "new"
        with open(new, "wb", buffering=0) as f:
            data = memoryview(pattern(n, self.size(n)))
            while data:
                data = data[f.write(data):]
            os.fsync(f.fileno())
        os.rename(new, self.top / f"slot{n % self.slots}")
        sync_folder(self.top)

    def judge(self, top, promise, begun):
        for slot in range(self.slots):
            least = promise - (promise - slot) % self.slots
            if least < 1:
                continue
            data = (top / f"slot{slot}").read_bytes()
            if not any(data == pattern(n, self.size(n)) for n in range(least, begun + 1, self.slots)):
                return f"files: slot {slot} has not what step {least} wrote, nor a later one of {begun}"
        return ""


class Sqlite(Writer):
    """A row a transaction, the oldest removed in the same. The three ways in which a commit is durable by SQLite's
    own words: FULL with a write-ahead log or a truncated journal, EXTRA with one that is deleted."""

    ways, rows = (("WAL", "FULL"), ("TRUNCATE", "FULL"), ("DELETE", "EXTRA")), 2000

    def __init__(self, top, way=0, **more):
        super().__init__(top, **more)
        self.db = None
        self.way = self.ways[way % len(self.ways)]

    @staticmethod
    def row(n):
        return pattern(n, 100 + n * 37 % 3000)

    def ready(self):
        self.top.mkdir(parents=True, exist_ok=True)
        self.close()
        self.db = sqlite3.connect(self.top / "db", isolation_level=None, timeout=60)
        self.db.execute(f"PRAGMA journal_mode={self.way[0]}")
        self.db.execute(f"PRAGMA synchronous={self.way[1]}")
        self.db.execute("CREATE TABLE IF NOT EXISTS steps (n INTEGER PRIMARY KEY, data BLOB)")

    def step(self, n):
        self.db.execute("BEGIN IMMEDIATE")
        self.db.execute("INSERT OR REPLACE INTO steps VALUES (?, ?)", (n, self.row(n)))
        self.db.execute("DELETE FROM steps WHERE n <= ?", (n - self.rows,))
        self.db.execute("COMMIT")

    def close(self):
        if self.db:
            try:
                self.db.close()
            except sqlite3.Error:
                pass  # it has been told of that by the call that failed
            self.db = None

    def run(self):
        super().run()
        self.close()

    def judge(self, top, promise, begun):
        db = sqlite3.connect(top / "db", timeout=60)
        try:
            said = db.execute("PRAGMA integrity_check").fetchone()[0]
            rows = dict(db.execute("SELECT n, data FROM steps"))
        finally:
            db.close()
        if said != "ok":
            return f"sqlite, {self.way[0]}: integrity_check says {said}"
        last = max(rows, default=0)
        if not promise <= last <= begun:
            return f"sqlite, {self.way[0]}: the last row is {last}, and {promise} was committed, {begun} begun"
        if sorted(rows) != list(range(max(1, last - self.rows + 1), last + 1)):
            return f"sqlite, {self.way[0]}: rows are missing, or there that were removed"
        if any(data != self.row(n) for n, data in rows.items()):
            return f"sqlite, {self.way[0]}: a row has not what was inserted"
        return ""


class Git(Writer):
    """A commit and a push a step, with git's own defaults, and then one fsync of the folder that was pushed into.
    From time to time another pair of repositories, and the old one is removed."""

    generation = 250

    def git(self, *words, cwd):
        return run("git", *words, cwd=cwd, env={**os.environ, **GIT_ENV}, seconds=180)

    def ready(self):
        self.top.mkdir(parents=True, exist_ok=True)
        for lock in self.top.rglob("*.lock"):
            lock.unlink()  # of a git that failed

    def place(self, n):
        return self.top / str((n - 1) // self.generation)

    def step(self, n):
        here = self.place(n)
        work, bare = here / "work", here / "bare.git"
        if not (bare / "made").exists():
            shutil.rmtree(here, ignore_errors=True)
            here.mkdir()
            self.git("init", "-q", "-b", "main", work, cwd=self.top)
            self.git("init", "-q", "-b", "main", "--bare", bare, cwd=self.top)
            (bare / "made").touch()
        (work / f"file{n % 40}").write_bytes(pattern(n, 200 + n * 131 % 20000))
        self.git("add", "-A", cwd=work)
        self.git("commit", "-q", "--allow-empty", "-m", f"step {n}", cwd=work)
        self.git("push", "-q", bare, "main", cwd=work)
        sync_folder(bare)
        if (n - 1) % self.generation == 10:
            shutil.rmtree(self.place(n - 11), ignore_errors=True)

    def judge(self, top, promise, begun):
        found = False
        for here in sorted(top.iterdir(), key=lambda p: int(p.name)):
            n, last = int(here.name) * self.generation, (int(here.name) + 1) * self.generation
            if not (here / "bare.git/made").exists():
                continue  # being made, or removed
            if not n < promise <= last and not n < begun <= last:
                continue  # being removed
            for repository in ("work", "bare.git"):
                self.git("fsck", "--full", "--strict", cwd=here / repository)
            if not n < promise <= last:
                continue
            found = True
            steps = self.git("log", "--format=%s", "main", cwd=here / "bare.git").split("\n")
            newest = int(steps[0].split()[1])
            if not promise <= newest <= begun:
                return f"git: the newest commit is step {newest}; {promise} was pushed and synced, {begun} begun"
            for back, words in enumerate(steps[:newest - n]):
                if words != f"step {newest - back}":
                    return f"git: a commit is '{words}' and not step {newest - back}"
        return "" if found else f"git: the repositories of step {promise} are not there"


class Steps:
    """tests/system/writer.pl: files made, written, renamed, removed, synced now and then; what is left must be
    exactly what was after one of its steps."""

    script = HERE.parent / "system/writer.pl"

    def __init__(self, ground, top, name):
        self.ground, self.top, self.journal = ground, Path(top), ground.base / f"{name}.journal"
        self.child, self.errors, self.begun = None, [], None

    def start(self):
        self.top.mkdir(parents=True, exist_ok=True)
        self.child = self.ground.start("perl", self.script, "write", self.top, self.journal,
                                       log=self.ground.base / "steps.log")

    @property
    def promise(self):
        try:
            return int(self.journal.read_text() or 0)
        except (FileNotFoundError, ValueError):
            return 0

    def finish(self):
        ended = self.child.poll()
        if ended is not None:
            self.errors.append((0, errno.EIO, f"writer.pl ended with {ended}"))
        self.ground.end(self.child.undo)

    def wrong(self, top, promise, _):
        journal = self.ground.base / "judged.journal"
        journal.write_text(f"{promise:12d}\n")
        done = subprocess.run(["perl", self.script, "judge", top, journal], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=300, check=False)
        return "" if done.returncode == 0 else f"writer.pl: {done.stdout.strip()}"


class Fio:
    """Random writes of blocks that carry their own checksum, synced every 32; each block left must be one of them."""

    block, size = 4096, 16 << 20

    def __init__(self, ground, top, rate="2m"):
        self.ground, self.top, self.rate = ground, Path(top), rate
        self.child, self.errors, self.promise, self.begun = None, [], 0, 0

    def words(self, top, *more):
        return ["fio", "--name=blocks", f"--filename={top}/blocks", f"--size={self.size}", f"--bs={self.block}",
                "--ioengine=psync", "--verify=crc32c", "--verify_state_save=0", "--output=/dev/null", *more]

    def start(self):
        self.top.mkdir(parents=True, exist_ok=True)
        run(*self.words(self.top, "--rw=write", "--do_verify=0", "--end_fsync=1"), cwd=self.ground.base)
        self.promise = self.begun = 1
        self.child = self.ground.start(*self.words(self.top, "--rw=randwrite", "--norandommap", "--do_verify=0",
                                                   "--fsync=32", f"--rate={self.rate}", "--time_based",
                                                   "--runtime=10d"), log=self.ground.base / "fio.log")

    def finish(self):
        if self.child.poll() is not None:
            self.errors.append((0, errno.EIO, f"fio ended with {self.child.returncode}: "
                                              f"{(self.ground.base / 'fio.log').read_text()[-500:]}"))
        self.ground.end(self.child.undo)

    def wrong(self, top, promise, _):
        if not promise:
            return ""
        try:
            run(*self.words(top, "--rw=read", "--verify_fatal=1", "--readonly"), cwd=self.ground.base)
        except Failed as error:
            return f"fio: {error}"
        return ""


def finish_all(writers):
    """Ended, all of them; the words of errors they met."""
    words = []
    for writer in writers:
        try:
            writer.finish()
        except Failed as error:
            words.append(str(error))
    return words + [text for writer in writers for _, _, text in writer.errors]
