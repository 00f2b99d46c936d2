#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measure holdfast beside ext4, bindfs and gocryptfs; docs/BENCHMARKS.md says what and how."""

import argparse
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

SEQ_MIB = 512
FILES = 10000
SAMPLE_BYTES = 300 << 20
SAMPLE_FROM = ["/usr/include", *sorted(map(str, Path("/usr/lib").glob("python3*"))),
               "/usr/lib/gcc", "/usr/share/perl", "/usr/share", "/usr/lib"]
GIT_ENV = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_COUNT": "1",
           "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*",
           "GIT_AUTHOR_NAME": "bench", "GIT_AUTHOR_EMAIL": "bench@localhost",
           "GIT_COMMITTER_NAME": "bench", "GIT_COMMITTER_EMAIL": "bench@localhost"}

# name, unit, whether more is better
FIGURES = [
    ("seq-write", "MB/s", True), ("seq-read-hot", "MB/s", True), ("seq-read-cold", "MB/s", True),
    ("rand-read-cold", "/s", True), ("sync-write", "/s", True), ("small-write", "/s", True),
    ("create", "/s", True), ("stat-hot", "/s", True), ("stat-cold", "/s", True),
    ("read-small-cold", "/s", True), ("delete", "/s", True),
    ("git-clone", "s", False), ("git-checkout", "s", False), ("git-status", "s", False),
    ("tar", "s", False), ("rm-rf", "s", False),
]
# What a figure needs to have been run before it, in the same place.
NEEDS = {"seq-read-hot": ["seq-write"], "seq-read-cold": ["seq-write"], "rand-read-cold": ["seq-write"],
         "stat-hot": ["create"], "stat-cold": ["create"], "read-small-cold": ["create"],
         "delete": ["create"], "git-checkout": ["git-clone"], "git-status": ["git-clone"],
         "tar": ["git-clone"], "rm-rf": ["git-clone", "tar"]}


def run(*argv, **kwargs):
    """A command that must succeed; what it printed."""
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env={**os.environ, **GIT_ENV}, **kwargs)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, argv))}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def timed(*argv, **kwargs):
    start = time.monotonic()
    run(*argv, **kwargs)
    return time.monotonic() - start


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


def can_drop_caches():
    return os.access("/proc/sys/vm/drop_caches", os.W_OK)


class Target:
    """A filesystem under test: `files` is where its files are seen."""

    name = "ext4"
    mounted = False

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

    def cold(self):
        """Forget everything cached: the kernel's pages and the filesystem's own memory."""
        self.unmount()
        os.sync()
        Path("/proc/sys/vm/drop_caches").write_text("3\n")
        self.mount()


class Mounted(Target):
    def __init__(self, base):
        super().__init__(base)
        self.files = base / "mnt"

    def make(self):
        super().make()
        self.files.mkdir()

    def unmount(self):
        unmount("fusermount3", "-u", str(self.files))
        # It returns before the daemon has gone.
        for _ in range(1000):
            if subprocess.run(["pgrep", "-f", f"(bindfs|gocryptfs).*{self.files}"],
                              stdout=subprocess.DEVNULL).returncode:
                return
            time.sleep(0.01)


class Bindfs(Mounted):
    name = "bindfs"

    def version(self):
        return run("bindfs", "--version").split()[1]

    def mount(self):
        run("bindfs", str(self.backing), str(self.files))


class Gocryptfs(Mounted):
    name = "gocryptfs"

    def version(self):
        return run("gocryptfs", "--version").split(";")[0].split()[1]

    def make(self):
        super().make()
        run("gocryptfs", "-q", "-init", "-extpass", "echo bench", str(self.backing))

    def mount(self):
        run("gocryptfs", "-q", "-extpass", "echo bench", str(self.backing), str(self.files))


class Holdfast(Mounted):
    name = "holdfast"
    command = "holdfast"
    options = ""

    def version(self):
        return run(self.command, "--version").split()[-1]

    def make(self):
        super().make()
        run(self.command, "init", str(self.backing / "store"), "--kit-file", str(self.base / "kit"))

    def mount(self):
        run(self.command, "mount", str(self.backing / "store"), str(self.files),
            *(["-o", self.options] if self.options else []))

    def unmount(self):
        unmount(self.command, "unmount", str(self.files))


def make_sample(path):
    """A bare repository with a history, out of what every Debian has."""
    if (path / "complete").exists():
        return
    print("bench: making the sample repository, once", file=sys.stderr)
    shutil.rmtree(path, ignore_errors=True)
    tree = path / "tree"
    tree.mkdir(parents=True)
    taken, files = 0, []
    for top in SAMPLE_FROM:
        for folder, _, names in os.walk(top):
            for name in sorted(names):
                source = Path(folder, name)
                if source.is_symlink() or not source.is_file():
                    continue
                size = source.stat().st_size
                if size > 8 << 20 or taken + size > SAMPLE_BYTES:
                    continue
                into = tree / source.relative_to("/")
                if into.exists():
                    continue
                into.parent.mkdir(parents=True, exist_ok=True)
                try:
                    shutil.copyfile(source, into)
                except OSError:
                    continue
                files.append(into)
                taken += size
    run("git", "init", "-q", "-b", "main", str(tree))
    for step in range(10):
        for file in files[step::10] if step else []:
            with open(file, "ab") as f:
                f.write(f"changed in step {step}\n".encode())
        run("git", "add", "-A", "-f", cwd=tree)
        run("git", "commit", "-q", "-m", f"step {step}", cwd=tree)
    run("git", "clone", "-q", "--bare", "--no-hardlinks", str(tree), str(path / "bare"))
    run("git", "repack", "-q", "-a", "-d", cwd=path / "bare")
    shutil.rmtree(tree)
    (path / "complete").write_text(f"{len(files)} files, {taken >> 20} MiB\n")


class Bench:
    def __init__(self, args, sample):
        self.fsbench = str(Path(args.fsbench).resolve())
        self.sample = sample
        self.cold_too = can_drop_caches()

    def loop(self, figure, path, count):
        return float(run(self.fsbench, figure, str(path), str(count)))

    def measure(self, figure, target):
        """One figure, or None when it cannot be had here."""
        here = target.files
        if figure.endswith("-cold"):
            if not self.cold_too:
                return None
            target.cold()
        big, many, repo = here / "big", here / "many", here / "repo"
        if figure == "seq-write":
            return self.loop("seq-write", big, SEQ_MIB)
        if figure in ("seq-read-hot", "stat-hot"):
            loop, path = ("seq-read", big) if figure == "seq-read-hot" else ("stat", many)
            self.loop(loop, path, FILES)
            return self.loop(loop, path, FILES)
        loops = {"seq-read-cold": ("seq-read", big, 1), "rand-read-cold": ("rand-read", big, 2000),
                 "sync-write": ("sync-write", here / "synced", 2000),
                 "small-write": ("small-write", here / "small", 50000),
                 "create": ("create", many, FILES), "stat-cold": ("stat", many, FILES),
                 "read-small-cold": ("read-small", many, FILES), "delete": ("delete", many, FILES)}
        if figure in loops:
            return self.loop(*loops[figure])
        if figure == "git-clone":
            return timed("git", "clone", "-q", "--no-hardlinks", str(self.sample / "bare"), str(repo))
        if figure == "git-checkout":
            return timed("git", "checkout", "-q", "HEAD~5", cwd=repo)
        if figure == "git-status":
            run("git", "status", "-s", cwd=repo)
            return timed("git", "status", "-s", cwd=repo)
        if figure == "tar":
            (here / "out").mkdir()
            return (timed("tar", "-cf", str(here / "tree.tar"), "--exclude=.git", "-C", str(repo), ".")
                    + timed("tar", "-xf", str(here / "tree.tar"), "-C", str(here / "out")))
        if figure == "rm-rf":
            return timed("rm", "-rf", str(repo), str(here / "out"), str(here / "tree.tar"))
        raise ValueError(figure)

    def round(self, target, wanted):
        results = {}
        target.make()
        target.mount()
        try:
            for figure, _, _ in FIGURES:
                if figure in wanted:
                    os.sync()
                    results[figure] = self.measure(figure, target)
        finally:
            target.unmount()
            shutil.rmtree(target.base, ignore_errors=True)
        return results


def machine(base):
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = int(re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text()).group(1)) >> 20
    disk = run("stat", "-f", "-c", "%T", str(base)).strip()
    return (f"{cpu.group(1) if cpu else platform.machine()}, {os.cpu_count()} cores, {memory} GiB, "
            f"Linux {platform.release()}, disk: {disk}")


def number(value):
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def table(targets, results, rounds, wanted, sample, base):
    medians = {(t.name, f): statistics.median([x for x in results[t.name, f] if x is not None] or [0]) or None
               for t in targets for f, _, _ in FIGURES if f in wanted}
    lines = [f"{machine(base)}. Medians of {rounds} round{'s' * (rounds > 1)}; repository: {sample}.",
             "Versions: " + ", ".join(f"{t.name} {t.version()}" for t in targets if t.name != "ext4") + ".", "",
             "| figure | ext4 | " + " | ".join(t.name for t in targets[1:]) + " |",
             "|---|---|" + "---|" * len(targets[1:])]
    for figure, unit, more in FIGURES:
        if figure not in wanted:
            continue
        base_value = medians["ext4", figure]
        cells = [f"{figure} ({unit})", number(base_value)]
        for t in targets[1:]:
            value = medians[t.name, figure]
            if value is None or base_value is None:
                cells.append("–")
                continue
            ratio = value / base_value if more else base_value / value
            cells.append(f"{number(value)} ({ratio:.2f}x)")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="figures, separated by commas")
    parser.add_argument("--targets", default="ext4,bindfs,gocryptfs,holdfast")
    parser.add_argument("--options", default="", help="mount options for holdfast")
    parser.add_argument("--dir", required=True, type=Path)
    parser.add_argument("--holdfast", required=True)
    parser.add_argument("--fsbench", required=True)
    args = parser.parse_args()

    names = [f for f, _, _ in FIGURES]
    only = [f for f in args.only.replace(",", " ").split()] or names
    for figure in only:
        if figure not in names:
            sys.exit(f"bench: there is no figure {figure}; there are {', '.join(names)}")
    wanted = set(only) | {n for f in only for n in NEEDS.get(f, [])}
    wanted |= {n for f in wanted for n in NEEDS.get(f, [])}

    base = args.dir.resolve()
    base.mkdir(parents=True, exist_ok=True)
    Holdfast.command = str(Path(args.holdfast).resolve())
    Holdfast.options = args.options
    chosen = args.targets.split(",")
    targets = [Target(base / "ext4")]
    for kind in (Bindfs, Gocryptfs, Holdfast):
        if kind.name in chosen:
            targets.append(kind(base / kind.name))
    if not can_drop_caches():
        print("bench: not root, so caches cannot be dropped: cold figures are left out", file=sys.stderr)

    sample_path = base / "sample"
    sample = "none"
    if any(f.startswith("git") or f in ("tar", "rm-rf") for f in wanted):
        make_sample(sample_path)
        sample = (sample_path / "complete").read_text().strip() + ", 10 commits"
    bench = Bench(args, sample_path)
    results = {(t.name, f): [] for t in targets for f in names}
    for n in range(args.rounds):
        for target in targets:
            print(f"bench: round {n + 1} of {args.rounds}, {target.name}", file=sys.stderr, flush=True)
            for figure, value in bench.round(target, wanted).items():
                results[target.name, figure].append(value)
    text = table(targets, results, args.rounds, wanted, sample, base)
    (base / "results.md").write_text(text + "\n")
    print(text)
    print(f"(also in {base / 'results.md'})", file=sys.stderr)


if __name__ == "__main__":
    main()
