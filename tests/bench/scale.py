#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measure how holdfast's cost grows with what it keeps; docs/BENCHMARKS.md, "Growth", says what and how.

Each figure leaves its numbers in DIR/results/FIGURE.json; the report is made of all that are there, so
that figures can be run one by one.
"""

import argparse
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

from filesystems import DROP_CACHES, Holdfast, can_drop_caches, unmount
from inputs import gather
from scale_report import plot, report
from shell import run, timed

MIB = 1 << 20
LIVE_FIGURES = ["create", "small-write", "stat-hot", "stat-cold", "read-small-cold", "delete"]
KEPT_FILES = 2000
EDITIONS = 10
# name -> what; the order is that of running
FIGURES = {
    "directory": "a directory of 1,000,000 entries",
    "files": "a volume of 1,000,000 files",
    "sparse": "a 100 GiB sparse file",
    "overwrite": "1,000,000 overwrites of one block",
    "crash": "mount after kill -9 of a 10 GiB volume",
    "live": "live figures, fresh and after 10,000,000 operations",
    "past": "reading the past, cold",
    "history": "what happened, and what differs",
    "rebuild": "building the index anew from the log",
    "restore": "a tree of 100,000 files brought back, beside cp -a",
    "backup": "bytes stored, beside restic and borg",
}


class Volume(Holdfast):
    """A holdfast volume whose mount is a child of ours: its memory can be seen, and it can be killed."""

    scalebench = "scalebench"
    process = None

    def mount(self, options=""):
        options = ",".join(o for o in (self.options, options) if o)
        start = time.monotonic()
        self.process = subprocess.Popen([self.command, "mount", str(self.store), str(self.files), "-f",
                                         *(["-o", options] if options else [])])
        while not os.path.ismount(self.files):
            if self.process.poll() is not None:
                raise RuntimeError(f"the mount of {self.store} ended with {self.process.returncode}")
            time.sleep(0.002)
        return time.monotonic() - start

    def unmount(self):
        unmount(self.command, "unmount", str(self.files))
        self.process.wait(120)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        unmount("fusermount3", "-u", "-z", str(self.files))

    def cold(self):
        self.unmount()
        os.sync()
        DROP_CACHES.write_text("3\n")
        self.mount()
        self.rest()

    def proc(self, file, field):
        for line in Path(f"/proc/{self.process.pid}/{file}").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1])
        raise RuntimeError(f"/proc says nothing of {field}")

    def cpu(self):
        """Processor seconds so far, of which another program's load takes less than of the clock's."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak(self):
        return self.proc("status", "VmHWM") * 1024

    def rest(self, most_seconds=90):
        """Wait until the mount does nothing behind our back: no processor time for half a second."""
        until, last = time.monotonic() + most_seconds, self.cpu()
        while time.monotonic() < until:
            time.sleep(0.5)
            last, before = self.cpu(), last
            if last - before <= 0.01:
                return

    def work(self, what, count, cache_mib=0):
        """Through the library, with nothing mounted."""
        return json.loads(run(self.scalebench, what, str(self.store), str(count), str(cache_mib)))


def clock(work):
    start = time.monotonic()
    work()
    return time.monotonic() - start


def cold_walk(top):
    """Read each file there is; returns how many and their bytes."""
    n = size = 0
    for folder, _, names in os.walk(top):
        for name in names:
            with open(os.path.join(folder, name), "rb", buffering=0) as f:
                while data := f.read(MIB):
                    size += len(data)
            n += 1
    return n, size


class Scale:
    def __init__(self, args):
        self.args = args
        self.base = args.dir.resolve()
        self.fsbench = args.build.resolve() / "tests/bench/fsbench"
        self.rounds = args.rounds

    def count(self, full, least=100):
        return max(int(full * self.args.scale), least)

    def volume(self, name):
        v = Volume(self.base / name)
        v.make()
        return v

    def aged(self):
        """The volume with the long past; made once."""
        v = Volume(self.base / "aged")
        operations = self.count(10_000_000, 20_000)
        mark = v.base / "complete.json"
        if not mark.exists() or json.loads(mark.read_text())["count"] != operations:
            print(f"scale: recording {operations:,} operations", file=sys.stderr, flush=True)
            v.make()
            made = v.work("mixed", operations)
            made["count"] = operations
            mark.write_text(json.dumps(made))
        return v, json.loads(mark.read_text())

    def loop(self, figure, path, count):
        return float(run(self.fsbench, figure, path, count))

    # --- the figures; each returns a dictionary

    def directory(self):
        n = self.count(1_000_000)
        v = self.volume("directory")
        v.mount()
        try:
            here = v.files / "entries"
            here.mkdir()
            names = [f"entry-{i:07}" for i in range(n)]
            fd = os.open(here, os.O_RDONLY)

            def create():
                for name in names:
                    os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644, dir_fd=fd))
            result = {"entries": n, "create": n / clock(create)}
            result["readdir"] = n / clock(lambda: check(len(os.listdir(fd)) == n, "readdir"))
            os.close(fd)
            v.cold()
            result["readdir-cold"] = n / clock(lambda: check(len(os.listdir(here)) == n, "readdir"))
            v.cold()
            fd = os.open(here, os.O_RDONLY)
            some = random.Random(1).sample(names, min(n, 100_000))
            result["lookup-cold"] = len(some) / clock(
                lambda: [os.stat(name, dir_fd=fd) for name in some])
            result["peak_cold"] = v.peak()
            before = v.status()

            def delete():
                for name in names:
                    os.unlink(name, dir_fd=fd)
            result["delete"] = n / clock(delete)
            os.close(fd)
            os.sync()
            result["delete_log_bytes_per_operation"] = per_operation(before, v.status())
            result["peak"] = v.peak()
        finally:
            v.unmount()
        return result

    def files(self):
        n = self.count(1_000_000)
        v = self.volume("files")
        made = v.work("files", n)
        v.mount()
        try:
            v.cold()
            start = time.monotonic()
            seen = sum(len(names) for folder, _, names in os.walk(v.files / "files"))
            check(seen == n, "walk")
            result = {"files": n, "made": made, "find": n / (time.monotonic() - start)}
            some = random.Random(2).sample(range(n), min(n, 20_000))

            def read():
                for i in some:
                    with open(v.files / "files" / f"{i // 1000:04}" / f"file-{i:07}", "rb", 0) as f:
                        check(len(f.read(4096)) == 128, "read")
            result["read-cold"] = len(some) / clock(read)
            result["stat-hot-of-all"] = n / clock(
                lambda: [os.lstat(v.files / "files" / f"{i // 1000:04}" / f"file-{i:07}") for i in range(n)])
            result["peak"] = v.peak()
        finally:
            v.unmount()
        return result

    def sparse(self):
        size, n = self.count(100 << 30, 1 << 30), self.count(20_000)
        v = self.volume("sparse")
        v.mount()
        try:
            path = v.files / "sparse"
            places = random.Random(3).sample(range(size // 4096), n)
            page = random.Random(4).randbytes(4096)
            fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            os.truncate(fd, size)

            def write():
                for place in places:
                    os.pwrite(fd, page, place * 4096)
            result = {"bytes": size, "writes": n, "write": n / clock(write)}
            result["fsync_seconds"] = clock(lambda: os.fsync(fd))
            os.close(fd)
            v.cold()
            fd = os.open(path, os.O_RDWR)

            def seek():
                at = found = 0
                while True:
                    try:
                        at = os.lseek(fd, at, os.SEEK_DATA)
                    except OSError:
                        break
                    at, found = os.lseek(fd, at, os.SEEK_HOLE), found + 1
                check(found > n // 2, "seek")
            result["seek_all_seconds"] = clock(seek)
            result["read-cold"] = n / clock(lambda: [os.pread(fd, 4096, p * 4096) for p in places])
            result["punch_half_seconds"] = clock(
                lambda: run("fallocate", "-p", "-o", "0", "-l", str(size // 2), str(path)))
            result["truncate_seconds"] = clock(lambda: os.truncate(fd, 0))
            os.close(fd)
            result["peak"] = v.peak()
        finally:
            v.unmount()
        return result

    def overwrite(self):
        n = self.count(1_000_000, 1000)
        v = self.volume("overwrite")
        v.mount()
        try:
            fd = os.open(v.files / "overwritten", os.O_RDWR | os.O_CREAT, 0o644)
            pages = [random.Random(i).randbytes(4096) for i in range(64)]
            rates, before = [], v.status()
            for step in range(10):
                start = time.monotonic()
                for i in range(n // 10):
                    os.pwrite(fd, pages[(i * 7 + step) % 64], i % 16 * 4096)
                rates.append(n // 10 / (time.monotonic() - start))
                v_tid = v.status()["head_tid"]
                run(v.command, "snapshot", str(v.files), f"step-{step}")
            os.fsync(fd)
            os.close(fd)
            result = {"overwrites": n, "rates": rates, "head_tid": v_tid,
                      "log_bytes_per_operation": per_operation(before, v.status())}
            result["write_peak"] = v.peak()
            result["read_cold_seconds"] = {}
            for what, path in [("live", v.files / "overwritten")] + [
                    (f"step-{s}", v.files / f".history/tags/step-{s}/overwritten") for s in range(10)]:
                times = []
                for _ in range(self.rounds):
                    v.cold()
                    os.stat(path.parent)
                    times.append(clock(lambda: check(len(path.read_bytes()) == 65536, "read")))
                result["read_cold_seconds"][what] = statistics.median(times)
            result["peak"] = max(v.peak(), result["write_peak"])
        finally:
            v.unmount()
        return result

    def crash(self):
        mib = self.count(10_240, 64)
        v = self.volume("crash")
        made = v.work("data", mib)
        result = {"mib": mib, "made": made, "seconds": {}}

        def writing():
            page = random.Random(5).randbytes(MIB)
            with open(v.files / "more", "wb", buffering=0) as f:
                for i in range(1_000_000):
                    f.write(page[i % 4096:] + page[:i % 4096])

        def making():
            (v.files / "made").mkdir()
            for i in range(10_000_000):
                os.close(os.open(v.files / "made" / f"{i}", os.O_WRONLY | os.O_CREAT, 0o644))

        for what, work in (("writing", writing), ("making files", making)):
            v.mount()
            child = os.fork()
            if child == 0:
                try:
                    work()
                finally:
                    os._exit(0)
            time.sleep(10 if self.args.scale >= 1 else 2)
            v.kill()
            os.waitpid(child, 0)
            result["seconds"][what] = v.mount()
            result["seconds"][what + ", first readdir"] = clock(lambda: os.listdir(v.files))
            v.unmount()
            result["seconds"]["after a clean unmount"] = v.mount()
            v.unmount()
            v.mount()
            shutil.rmtree(v.files / "made", ignore_errors=True)
            (v.files / "more").unlink(missing_ok=True)
            v.unmount()
        return result

    def live_round(self, v, tag):
        many, rates = v.files / f"many-{tag}", {}
        for figure in LIVE_FIGURES:
            os.sync()
            if figure.endswith("-cold"):
                v.cold()
            else:
                v.rest(30)
            name = figure.removesuffix("-hot").removesuffix("-cold")
            path, count = (v.files / f"small-{tag}", 50_000) if figure == "small-write" else (many, 10_000)
            if figure == "stat-hot":
                self.loop(name, path, count)
            before = v.cpu()
            rates[figure] = self.loop(name, path, count)
            rates[figure + "-cpu"] = (v.cpu() - before) / count * 1e6
        return rates

    def live(self):
        aged, made = self.aged()
        rounds = {"fresh": [], "aged": []}
        peak = 0
        for n in range(self.rounds):
            for what in ("fresh", "aged"):
                v = self.volume("fresh") if what == "fresh" else aged
                v.mount()
                try:
                    v.rest()
                    rounds[what].append(self.live_round(v, f"{int(time.time())}-{n}"))
                    if what == "aged":
                        peak = max(peak, v.peak())
                finally:
                    v.unmount()
        return {"operations": made["count"], "made": made, "peak": peak,
                **{what: {f: statistics.median(r[f] for r in rs) for f in rs[0]}
                   for what, rs in rounds.items()}}

    def past(self):
        v, _ = self.aged()
        at = {"live": v.files / "kept"}
        for depth in (1, 4, 7, 10):
            at[f"depth-{depth}"] = v.files / ".history/tags" / f"depth-{depth}" / "kept"
        seconds = {what: {"name": [], "walk": [], "small": [], "big": []} for what in at}
        v.mount()
        try:
            for _ in range(self.rounds):
                for what, top in at.items():
                    took = seconds[what]
                    v.cold()
                    took["name"].append(clock(lambda: os.stat(top)))
                    fd = os.open(top, os.O_RDONLY)
                    took["walk"].append(clock(
                        lambda: [os.stat(n, dir_fd=fd, follow_symlinks=False) for n in os.listdir(fd)]))
                    os.close(fd)
                    v.cold()
                    os.stat(top)

                    def small():
                        for i in range(KEPT_FILES):
                            with open(top / f"kept-{i:04}", "rb", 0) as f:
                                check(len(f.read(MIB)) == 8192, "read")
                    took["small"].append(clock(small))
                    v.cold()
                    os.stat(top)

                    def big():
                        with open(top / "big", "rb", 0) as f:
                            while f.read(MIB):
                                pass
                    took["big"].append(clock(big))
            peak = v.peak()
        finally:
            v.unmount()
        return {"peak": peak, "seconds": {what: {k: statistics.median(t) for k, t in took.items()}
                                          for what, took in seconds.items()}}

    def history(self):
        v, made = self.aged()
        bench = self.args.build.resolve() / "tests/bench/historybench"
        asked = json.loads(run(bench, str(v.store), str(self.count(1_000_000, 1000)), str(self.rounds)))
        return {"operations": made["count"], **asked}

    def rebuild(self):
        v, made = self.aged()
        before = v.work("open", 0)
        os.sync()
        if can_drop_caches():
            DROP_CACHES.write_text("3\n")
        seconds = v.mount("rebuild")
        try:
            return {"operations": before["head_tid"], "log_bytes": before["log_total_bytes"],
                    "seconds": seconds, "rate": before["head_tid"] / seconds, "peak": v.peak(),
                    "rest_seconds": clock(lambda: v.rest(300)), "index_bytes": v.status()["index_bytes"]}
        finally:
            v.unmount()

    def restore(self):
        n = self.count(100_000, 1000)
        work = self.base / "restore-work"
        shutil.rmtree(work, ignore_errors=True)
        dice = random.Random(8)
        for i in range(n):
            if i % 100 == 0:
                (folder := work / "tree" / f"{i // 100:04}").mkdir(parents=True)
            (folder / f"file-{i:06}").write_bytes(dice.randbytes(512) + b"x" * 512)
        v = self.volume("restore")
        v.mount()
        run("cp", "-a", work / "tree", v.files / "tree")
        run("sync", "-f", v.files)
        run(v.command, "snapshot", v.files, "before")
        took = {}

        def one(what, into, *argv):
            os.sync()
            DROP_CACHES.write_text("3\n")
            took.setdefault(what, []).append(clock(lambda: (run(*argv), run("sync", "-f", into))))
        for _ in range(self.rounds):
            try:
                run("rm", "-r", v.files / "tree")
                one("in place, mounted, after rm -r", v.files, v.command, "restore", f"{v.files}/tree@before")
                one("beside what is there, mounted", v.files, v.command, "restore", f"{v.files}/tree@before",
                    "--to", v.files / "beside")
                run("rm", "-r", v.files / "beside")
            finally:
                v.unmount()
            one("out, to the folder's disk, at rest", work, v.command, "restore", v.store, "tree@before",
                "--to", work / "out")
            one("cp -a on that disk", work, "cp", "-a", work / "tree", work / "copy")
            run("diff", "-r", work / "out", work / "copy")
            run("rm", "-r", work / "out", work / "copy")
            v.mount()
        v.unmount()
        return {"files": n, "seconds": {what: statistics.median(t) for what, t in took.items()}}

    # --- beside restic and borg

    def edit(self, tree, dice):
        """What a day of work does: some lines in some files, a few files new, renamed, removed."""
        files = sorted(p for p in tree.rglob("*") if p.is_file() and ".git" not in p.parts)
        for path in dice.sample(files, max(len(files) // 50, 5)):
            lines = path.read_bytes().splitlines(keepends=True)
            for _ in range(dice.randint(1, 8)):
                at = dice.randrange(len(lines) + 1)
                line = b"changed %d\n" % dice.getrandbits(60)
                lines[at:at + dice.randint(0, 2)] = [line] * dice.randint(0, 2)
            path.write_bytes(b"".join(lines))
        for path in dice.sample(files, 10):
            if path.exists():
                path.rename(path.with_name(path.name + ".renamed"))
        for path in dice.sample(files, 5):
            path.unlink(missing_ok=True)
        for i in range(5):
            (tree / f"new-{dice.getrandbits(40):x}").write_bytes(dice.randbytes(dice.randint(100, 40_000)))

    def backup(self):
        work = self.base / "backup-work"
        shutil.rmtree(work, ignore_errors=True)
        tree = work / "tree"
        tree.mkdir(parents=True)
        files, size = gather(tree, self.count(150 * MIB, 4 * MIB), 20_000)
        dice = random.Random(6)
        env = {"RESTIC_PASSWORD": "bench", "BORG_PASSPHRASE": "bench",
               "BORG_BASE_DIR": str(work / "borg-base"), "XDG_CACHE_HOME": str(work / "cache")}
        os.environ.update(env)
        run("restic", "-q", "-r", str(work / "restic"), "init")
        run("borg", "init", "-e", "repokey-blake2", str(work / "borg"))
        v = self.volume("backup")
        v.mount()
        seconds = {"holdfast": 0.0, "restic": 0.0, "borg": 0.0}

        def keep(name):
            seconds["restic"] += timed("restic", "-q", "-r", str(work / "restic"), "backup", str(tree))
            seconds["borg"] += timed("borg", "create", "-C", "zstd", f"{work / 'borg'}::{name}", str(tree))
            seconds["holdfast"] += timed("rsync", "-a", "--delete", f"{tree}/", f"{v.files}/tree/")
            run("sync", "-f", str(v.files))
            run(v.command, "snapshot", str(v.files), name)

        def stored():
            s = v.status()
            return {"restic": du(work / "restic"), "borg": du(work / "borg"), "holdfast": s["log_bytes"],
                    "holdfast-index": s["index_bytes"]}
        try:
            run("git", "init", "-q", "-b", "main", str(tree))
            steps = []
            for edition in range(EDITIONS):
                if edition:
                    self.edit(tree, dice)
                run("git", "add", "-A", "-f", cwd=tree)
                run("git", "commit", "-q", "-m", f"edition {edition}", cwd=tree)
                keep(f"edition-{edition}")
                steps.append(stored())
            run("git", "repack", "-q", "-a", "-d", "-f", cwd=tree)
            keep("repacked")
            steps.append(stored())
            peak = v.peak()
        finally:
            v.unmount()
            shutil.rmtree(work, ignore_errors=True)
        return {"files": len(files), "bytes": size, "steps": steps, "seconds": seconds, "peak": peak,
                "versions": {"restic": run("restic", "version").split()[1],
                             "borg": run("borg", "--version").split()[1]}}


def check(good, what):
    if not good:
        raise RuntimeError(f"{what}: not what it must be")


def du(path):
    return sum(p.lstat().st_size for p in Path(path).rglob("*") if p.is_file())


def per_operation(before, after):
    return (after["log_bytes"] - before["log_bytes"]) / max(after["head_tid"] - before["head_tid"], 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="figures, separated by commas: " + ", ".join(FIGURES))
    parser.add_argument("--scale", type=float, default=1.0, help="sizes times this")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--options", default="", help="mount options")
    parser.add_argument("--keep", action="store_true", help="keep the volume with the long past")
    parser.add_argument("--dir", required=True, type=Path)
    parser.add_argument("--pictures", type=Path, help="where the pictures go; default: DIR")
    parser.add_argument("--build", required=True, type=Path, help="folder of the built commands")
    args = parser.parse_args()
    only = args.only.replace(",", " ").split() or list(FIGURES)
    for figure in only:
        if figure not in FIGURES:
            sys.exit(f"scale: there is no figure {figure}; there are {', '.join(FIGURES)}")
    if not can_drop_caches():
        sys.exit("scale: half of it is measured with cold caches, which needs root (/proc/sys/vm/drop_caches)")
    Volume.command = args.build.resolve() / "holdfast"
    Volume.scalebench = args.build.resolve() / "tests/bench/scalebench"
    Volume.options = args.options
    scale = Scale(args)
    (scale.base / "results").mkdir(parents=True, exist_ok=True)
    for figure in FIGURES:
        if figure not in only:
            continue
        print(f"scale: {figure}: {FIGURES[figure]}", file=sys.stderr, flush=True)
        start = time.monotonic()
        result = getattr(scale, figure)()
        result["took_seconds"] = time.monotonic() - start
        (scale.base / "results" / f"{figure}.json").write_text(json.dumps(result, indent=1) + "\n")
        print(f"scale: {figure}: {result['took_seconds']:.0f} s", file=sys.stderr, flush=True)
        for folder in scale.base.iterdir():
            if folder.name not in ("results", "plot", "aged") and folder.is_dir():
                shutil.rmtree(folder, ignore_errors=True)
    if not args.keep:
        shutil.rmtree(scale.base / "aged", ignore_errors=True)
    text, results = report(scale.base, args.options, args.scale)
    (scale.base / "results.md").write_text(text + "\n")
    plot(scale.base, results, args.pictures or scale.base)
    print(text)
    print(f"(also in {scale.base / 'results.md'})", file=sys.stderr)


if __name__ == "__main__":
    main()
