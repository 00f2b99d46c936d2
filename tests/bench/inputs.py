# SPDX-License-Identifier: MIT
"""What the workloads work on: made once, the same for every filesystem, out of what every Debian has."""

import os
import random
import shutil
import sys
from pathlib import Path

from shell import run

FROM = ["/usr/include", *sorted(map(str, Path("/usr/lib").glob("python3*"))),
        "/usr/lib/gcc", "/usr/share/perl", "/usr/share", "/usr/lib"]
REPOSITORY_BYTES = 300 << 20
REPOSITORY_FILES = 10000
TREE_BYTES = 48 << 20
TREE_FILES = 3000
LARGEST_BYTES = 8 << 20
COMMITS = 1000
HISTORY_FOLDERS = 20
HISTORY_FILES = 200


def gather(into, max_bytes, max_files):
    """Copy files of this machine until there are enough; which, and their bytes."""
    taken, files = 0, []
    for top in FROM:
        for folder, folders, names in os.walk(top):
            folders.sort()
            for name in sorted(names):
                source = Path(folder, name)
                copy = into / source.relative_to("/")
                if source.is_symlink() or not source.is_file() or copy.exists():
                    continue
                size = source.stat().st_size
                if size > LARGEST_BYTES or taken + size > max_bytes:
                    continue
                if len(files) == max_files:
                    return files, taken
                copy.parent.mkdir(parents=True, exist_ok=True)
                try:
                    shutil.copyfile(source, copy)
                except OSError:
                    continue
                files.append(copy)
                taken += size
    return files, taken


def make_repository(path):
    """A bare repository whose ten commits each change a tenth of its files."""
    tree = path / "tree"
    tree.mkdir()
    files, taken = gather(tree, REPOSITORY_BYTES, REPOSITORY_FILES)
    run("git", "init", "-q", "-b", "main", tree)
    for step in range(10):
        for file in files[step::10] if step else []:
            with open(file, "ab") as f:
                f.write(f"changed in step {step}\n".encode())
        run("git", "add", "-A", "-f", cwd=tree)
        run("git", "commit", "-q", "-m", f"step {step}", cwd=tree)
    run("git", "clone", "-q", "--bare", "--no-hardlinks", tree, path / "bare")
    run("git", "repack", "-q", "-a", "-d", cwd=path / "bare")
    shutil.rmtree(tree)
    return f"{len(files)} files, {taken >> 20} MiB, 10 commits"


def make_tree(path):
    files, taken = gather(path / "tree", TREE_BYTES, TREE_FILES)
    return f"{len(files)} files, {taken >> 20} MiB"


def history_stream():
    """For git fast-import: text files in folders, of which every commit changes one."""
    chance = random.Random(1)
    words = ["%x" % chance.getrandbits(chance.choice((8, 16, 24))) for _ in range(2000)]

    def line():
        return " ".join(chance.choices(words, k=10))

    files = {n: [line() for _ in range(60)] for n in range(HISTORY_FILES)}
    for commit in range(COMMITS):
        changed = list(files) if commit == 0 else [chance.randrange(HISTORY_FILES)]
        yield f"commit refs/heads/main\ncommitter bench <bench@localhost> {1700000000 + commit} +0000\n"
        message = f"change {commit}"
        yield f"data {len(message)}\n{message}\n"
        for n in changed:
            files[n][chance.randrange(60)] = line()
            text = "\n".join(files[n])
            yield f"M 100644 inline {n % HISTORY_FOLDERS:02}/file-{n}\ndata {len(text)}\n{text}\n"
    yield "done\n"


def make_history(path):
    run("git", "init", "-q", "--bare", "-b", "main", path / "bare")
    run("git", "fast-import", "--quiet", "--done", cwd=path / "bare", input="".join(history_stream()))
    run("git", "repack", "-q", "-a", "-d", cwd=path / "bare")
    return f"{COMMITS} commits, {HISTORY_FILES} files"


MAKERS = {"repository": make_repository, "tree": make_tree, "history": make_history}


class Inputs:
    """Each is made before anything is measured, if it is needed, and kept in a folder of `base`."""

    def __init__(self, base):
        self.base = base

    def make(self, name):
        path = self.base / name
        done = path / "complete"
        if done.exists():
            return
        print(f"bench: making {name}, once", file=sys.stderr, flush=True)
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        done.write_text(MAKERS[name](path) + "\n")

    def path(self, name):
        """Where it is. It is all read first, so that what a figure reads of it comes from memory."""
        for folder, _, names in os.walk(self.base / name):
            for file in names:
                Path(folder, file).read_bytes()
        return self.base / name

    def words(self):
        """What is there, for people."""
        return "; ".join(f"{name}: {(self.base / name / 'complete').read_text().strip()}"
                         for name in MAKERS if (self.base / name / "complete").exists())
