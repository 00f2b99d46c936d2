#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measure shipping to a node and recovering from one, beside SSH, restic and borg; docs/BENCHMARKS.md,
"Replicas", says what and how.

Each figure leaves its numbers in DIR/results/FIGURE.json; the report is made of all that are there, so that
figures can be run one by one.
"""

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

from filesystems import DROP_CACHES, can_drop_caches, unmount
from inputs import gather
from remotes import Control, Detour, Node, Sshd
from replica_report import report
from shell import run, timed

MIB = 1 << 20
INGEST_MIB = 1024
LAG_SECONDS, LAG_BYTES_A_SECOND, LAG_WRITE_BYTES = 60, 50_000_000, 500_000
OUTAGE_SECONDS, OUTAGE_BYTES_A_SECOND = 600, 5_000_000
POLL_SECONDS = 0.004
VOLUMES, VOLUMES_AN_ADDRESS, MEMORY_SECONDS = 100, 25, 20
REPOSITORY_MIB, REPOSITORY_FILES, REPOSITORY_COMMITS = 256, 10000, 10
BY_MOUNT = "holdfast, cp -a from the mount"
WAIT_SECONDS = 900

# name -> what; the order is that of running
FIGURES = {
    "ingest": "a node taking a log, beside scp and rsync",
    "lag": "how far behind, while the primary writes 50 MB/s",
    "catch-up": "after an outage of the node",
    "memory": "of a node with 100 volumes connected",
    "recovery": "of a repository volume, beside restic and borg",
}


def say(words):
    print(f"replica: {words}", file=sys.stderr, flush=True)


def settle():
    os.sync()
    if can_drop_caches():
        DROP_CACHES.write_text("3\n")


def read_all(top):
    for path in sorted(top.rglob("*")):
        if path.is_file() and not path.is_symlink():
            path.read_bytes()


def bytes_of(top):
    return sum(p.lstat().st_size for p in top.rglob("*") if p.is_file() and not p.is_symlink())


class Volume:
    """A store and where it is mounted."""

    def __init__(self, command, base):
        self.command, self.base = command, base
        self.store, self.files, self.kit = base / "store", base / "mnt", base / "kit"

    def make(self, invitation=None):
        shutil.rmtree(self.base, ignore_errors=True)
        self.files.mkdir(parents=True)
        run(self.command, "init", self.store, "--kit-file", self.kit,
            *(["--replica", invitation] if invitation else []))
        return self

    def mount(self, store=None):
        run(self.command, "mount", store or self.store, self.files)

    def unmount(self):
        unmount(self.command, "unmount", self.files)

    def id(self):
        return json.loads(run(self.command, "status", self.store, "--json"))["volume_id"]

    def wait_shipped(self, control, seen=None):
        """Until its one replica has all that is durable; `seen` is told each look's time and bytes behind."""
        until = time.monotonic() + WAIT_SECONDS
        while True:
            status = control.status()
            replica, now = status["replicas"][0], time.monotonic()
            if seen:
                seen(now, replica["lag_bytes"])
            if (replica["state"] == "current" and replica["lag_bytes"] == 0
                    and status["committed_tid"] == status["head_tid"] == replica["acked_tid"]):
                return status
            if replica["state"] == "refused" or now > until:
                raise RuntimeError(f"the replica is {replica['state']}: {replica['error']}")
            time.sleep(POLL_SECONDS)


class Bench:
    def __init__(self, args):
        self.args, self.base, self.rounds = args, args.dir.resolve(), args.rounds
        build = args.build.resolve()
        self.command = str(build / "holdfast")
        self.scalebench = build / "tests/bench/scalebench"
        self.replbench = build / "tests/bench/replbench"

    def scaled(self, full, least=1):
        return max(int(full * self.args.scale), least)

    def turns(self, contenders):
        """All of them, round by round, each round begun by another."""
        names = list(contenders)
        for n in range(self.rounds):
            turn = n % len(names)
            for name in names[turn:] + names[:turn]:
                yield name, contenders[name]

    # --- ingest

    def ingest_node(self, volume):
        """From the start of `holdfast mount` to the receipt for the last byte."""
        node = Node(self.command, self.base / "node").start()
        try:
            run(self.command, "replica", "add", volume.store, node.invite(), "--name", "node")
            settle()
            read_all(volume.store / "log")
            start = time.monotonic()
            volume.mount()
            try:
                control = Control(volume.store)
                volume.wait_shipped(control)
                seconds = time.monotonic() - start
                control.close()
            finally:
                volume.unmount()
            run(self.command, "replica", "remove", volume.store, "node")
        finally:
            node.remove()
        return seconds

    def ingest_ssh(self, volume, sshd, *argv, sync):
        """The same files to another folder, synced there."""
        there = self.base / "there"
        shutil.rmtree(there, ignore_errors=True)
        there.mkdir()
        settle()
        read_all(volume.store / "log")
        seconds = timed(*argv, volume.store / "log", f"bench:{there}/")
        if sync:
            seconds += timed("ssh", "-F", sshd.config, "bench", f"sync {there}/log/*")
        shutil.rmtree(there)
        return seconds

    def ingest(self):
        volume = Volume(self.command, self.base / "ingest").make()
        mib = self.scaled(INGEST_MIB, 64)
        run(self.scalebench, "data", volume.store, mib)
        size = bytes_of(volume.store / "log")
        sshd = Sshd(self.base / "ssh").start()
        ssh = f"ssh -F {sshd.config}"
        aes = "aes128-gcm@openssh.com"
        contenders = {
            "holdfast": lambda: self.ingest_node(volume),
            "scp": lambda: self.ingest_ssh(volume, sshd, "scp", "-q", "-r", "-F", sshd.config, sync=True),
            "scp, AES": lambda: self.ingest_ssh(volume, sshd, "scp", "-q", "-r", "-c", aes, "-F",
                                                sshd.config, sync=True),
            "rsync": lambda: self.ingest_ssh(volume, sshd, "rsync", "-a", "--fsync", "-e", ssh, sync=False),
        }
        rates = {name: [] for name in contenders}
        try:
            for name, measure in self.turns(contenders):
                rates[name].append(size / measure() / 1e6)
        finally:
            sshd.stop()
        shutil.rmtree(volume.base)
        return {"bytes": size, "rates": rates}

    # --- lag

    @staticmethod
    def write_evenly(folder, seconds):
        """New bytes at one speed; returns how fast it really was."""
        start = last = time.monotonic()
        written = 0
        out = None
        while last - start < seconds:
            if written % (128 * LAG_WRITE_BYTES) == 0:
                if out:
                    out.close()
                out = open(folder / f"file-{written // LAG_WRITE_BYTES}", "wb", buffering=0)
            out.write(os.urandom(LAG_WRITE_BYTES))
            written += LAG_WRITE_BYTES
            pause = start + written / LAG_BYTES_A_SECOND - time.monotonic()
            if pause > 0:
                time.sleep(pause)
            last = time.monotonic()
        out.close()
        return written / (last - start)

    def start_writing(self, folder, seconds):
        """A process of its own that writes evenly; returns its id, and where it says how fast it was."""
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            code = 1
            try:
                os.write(writer, str(self.write_evenly(folder, seconds)).encode())
                code = 0
            finally:
                os._exit(code)
        os.close(writer)
        return child, reader

    def lag(self):
        node = Node(self.command, self.base / "node").start()
        volume = Volume(self.command, self.base / "lag").make(node.invite())
        seconds = self.scaled(LAG_SECONDS, 5)
        looks, child = [], None
        volume.mount()
        try:
            control = Control(volume.store)
            child, reader = self.start_writing(volume.files, seconds)
            while os.waitpid(child, os.WNOHANG) == (0, 0):
                looks.append(self.look(control))
                time.sleep(POLL_SECONDS)
            child = None
            rate = float(os.read(reader, 100))
            os.close(reader)
            volume.wait_shipped(control, lambda *_: looks.append(self.look(control)))
            control.close()
        finally:
            if child:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
            volume.unmount()
            node.remove()
        shutil.rmtree(volume.base)
        lags = receipt_lags(looks)
        return {"seconds": seconds, "rate": rate / 1e6, "looks": len(looks), "commits": len(lags),
                "median": percentile(lags, 50), "p99": percentile(lags, 99), "most": max(lags),
                "most_bytes": max(look[3] for look in looks)}

    @staticmethod
    def look(control):
        status = control.status()
        replica = status["replicas"][0]
        return (time.monotonic(), status["committed_tid"], replica["acked_tid"], replica["lag_bytes"])

    # --- catching up

    def catch_up(self):
        mib = self.scaled(OUTAGE_SECONDS * OUTAGE_BYTES_A_SECOND // MIB, 64)
        rates, noticed = [], []
        for _ in range(self.rounds):
            node = Node(self.command, self.base / "node").start()
            volume = Volume(self.command, self.base / "catch-up").make(node.invite())
            volume.mount()
            try:
                (volume.files / "before").write_bytes(b"before")
                control = Control(volume.store)
                volume.wait_shipped(control)
                control.close()
                volume.unmount()
                node.stop()
                run(self.scalebench, "data", volume.store, mib)
                volume.mount()
                settle()
                time.sleep(20)  # the replicator has come to its longest pauses
                looks = []
                control = Control(volume.store)
                node.start()
                back = time.monotonic()
                volume.wait_shipped(control, lambda *look: looks.append(look))
                control.close()
            finally:
                volume.unmount()
                node.remove()
            # The first look at which some has been acknowledged says when sending was under way.
            behind = looks[0][1]
            first, left = next(look for look in looks if look[1] < behind)
            rates.append(left / (looks[-1][0] - first) / 1e6)
            noticed.append(first - back)
            shutil.rmtree(volume.base)
        return {"bytes": behind, "rates": rates, "noticed_seconds": noticed}

    # --- memory

    def memory(self):
        count = self.scaled(VOLUMES, 4)
        node = Node(self.command, self.base / "node").start()
        empty = node.memory()
        detours = [Detour(f"127.0.0.{2 + i}", node.port)
                   for i in range((count + VOLUMES_AN_ADDRESS - 1) // VOLUMES_AN_ADDRESS)]
        volumes, client = [], None
        try:
            for i in range(count):
                invitation = detours[i // VOLUMES_AN_ADDRESS].invitation(node.invite())
                volumes.append(Volume(self.command, self.base / "many" / str(i)).make(invitation))
            client = subprocess.Popen([self.replbench, "many", str(MEMORY_SECONDS),
                                       *(str(v.store) for v in volumes)], stdout=subprocess.PIPE, text=True)
            if client.stdout.readline().strip() != "ready":
                raise RuntimeError("the volumes were not shipped")
            looks = []
            while client.poll() is None:
                looks.append(node.memory())
                time.sleep(0.2)
            done = json.loads(client.stdout.read())
            if client.returncode:
                raise RuntimeError("the client failed")
        finally:
            if client and client.poll() is None:
                client.kill()
                client.wait()
            for detour in detours:
                detour.close()
            node.remove()
        shutil.rmtree(self.base / "many")
        return {"volumes": count, "empty": empty, "client": done,
                "connected": {key: statistics.median(look[key] for look in looks) for key in empty},
                "peak": max(look["peak"] for look in looks)}

    # --- recovery

    def repository(self):
        """A work tree with its history, made once."""
        path = self.base / "repository"
        done = path / "complete"
        words = f"{self.scaled(REPOSITORY_MIB, 4)} MiB"
        if done.exists() and done.read_text().startswith(words):
            return path / "tree"
        say("making the repository, once")
        shutil.rmtree(path, ignore_errors=True)
        tree = path / "tree"
        tree.mkdir(parents=True)
        files, _ = gather(tree, self.scaled(REPOSITORY_MIB, 4) * MIB, self.scaled(REPOSITORY_FILES, 100))
        run("git", "init", "-q", "-b", "main", tree)
        for step in range(REPOSITORY_COMMITS):
            for file in files[step::REPOSITORY_COMMITS] if step else []:
                with open(file, "ab") as f:
                    f.write(f"changed in step {step}\n".encode())
            run("git", "add", "-A", "-f", cwd=tree)
            run("git", "commit", "-q", "-m", f"step {step}", cwd=tree)
        run("git", "repack", "-q", "-a", "-d", cwd=tree)
        done.write_text(words + "\n")
        return tree

    def keep_in(self, tree, node, sshd):
        """The tree into all three; how each gets it back into an empty folder: name -> (prepare, restore)."""
        volume = Volume(self.command, self.base / "recovery").make(node.invite())
        volume.mount()
        try:
            run("cp", "-a", tree, volume.files)
            control = Control(volume.store)
            volume.wait_shipped(control)
            control.close()
        finally:
            volume.unmount()
        volume_id = volume.id()
        log_bytes = bytes_of(volume.store / "log")
        shutil.rmtree(volume.store)  # this machine is lost

        restic = ["restic", "-q", "--no-cache", "-r", f"sftp:bench:{self.base}/restic", "-o",
                  f"sftp.command=ssh -F {sshd.config} bench -s sftp"]
        os.environ.update({"RESTIC_PASSWORD": "bench", "BORG_PASSPHRASE": "bench",
                           "BORG_RSH": f"ssh -F {sshd.config}", "BORG_BASE_DIR": str(self.base / "borg-home"),
                           "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes"})
        borg = f"ssh://bench{self.base}/borg"
        run(*restic, "init")
        run(*restic, "backup", ".", cwd=tree)
        run("borg", "init", "-e", "repokey-blake2", borg)
        run("borg", "create", f"{borg}::tree", ".", cwd=tree)

        def invite():
            shutil.rmtree(volume.store, ignore_errors=True)
            return node.invite(volume_id)

        def recover(invitation):
            return timed(self.command, "recover", "--from", invitation, "--kit", volume.kit, volume.store)

        def from_node(there, invitation):
            steps = [recover(invitation)]
            steps.append(timed(self.command, "restore", volume.store, tree.name, "--to", there))
            say(f"recover {steps[0]:.2f} s, restore {steps[1]:.2f} s")
            return {"restored": sum(steps)}

        def by_mount(there, invitation):
            steps = [recover(invitation)]
            steps.append(timed(self.command, "mount", volume.store, volume.files))
            try:
                steps.append(timed("cp", "-a", f"{volume.files}/{tree.name}/.", there))
            finally:
                unmounted = timed(self.command, "unmount", volume.files)
            say(f"recover {steps[0]:.2f} s, mount {steps[1]:.2f} s, cp {steps[2]:.2f} s; unmount after, "
                f"not counted, {unmounted:.2f} s")
            return {"mounted": steps[0] + steps[1], "restored": sum(steps)}

        def nothing():
            shutil.rmtree(self.base / "borg-home", ignore_errors=True)  # a bare machine knows no cache

        return log_bytes, {
            "holdfast": (invite, from_node),
            BY_MOUNT: (invite, by_mount),
            "restic": (nothing, lambda there, _: {
                "restored": timed(*restic, "restore", "latest", "--target", there)}),
            "borg": (nothing, lambda there, _: {
                "restored": timed("borg", "extract", f"{borg}::tree", cwd=there)}),
        }

    def recovery(self):
        tree = self.repository()
        self.clear()
        node = Node(self.command, self.base / "node").start()
        sshd = Sshd(self.base / "ssh").start()
        there = self.base / "restored"
        compared = set()
        try:
            log_bytes, kept = self.keep_in(tree, node, sshd)
            seconds = {name: [] for name in kept}
            for name, (prepare, restore) in self.turns(kept):
                shutil.rmtree(there, ignore_errors=True)
                there.mkdir()
                prepared = prepare()
                settle()
                took = restore(there, prepared)
                took["restored"] += timed("sync", "-f", there)
                seconds[name].append(took)
                if name not in compared:
                    run("diff", "-r", "--no-dereference", tree, there)
                    compared.add(name)
        finally:
            sshd.stop()
            node.remove()
        files = sum(1 for p in tree.rglob("*") if not p.is_dir())
        result = {"files": files, "bytes": bytes_of(tree), "log_bytes": log_bytes, "seconds": seconds}
        self.clear()
        return result

    def clear(self):
        for folder in ("restored", "recovery", "restic", "borg", "borg-home"):
            shutil.rmtree(self.base / folder, ignore_errors=True)


def receipt_lags(looks):
    """Seconds from the look at which a commit was first seen durable to that at which it was acknowledged."""
    lags, durable = [], 0
    waiting = []
    for when, committed, acked, _ in looks:
        if committed > durable:
            waiting.append((when, committed))
            durable = committed
        while waiting and waiting[0][1] <= acked:
            lags.append(when - waiting.pop(0)[0])
    if waiting or not lags:
        raise RuntimeError("some commits were never acknowledged")
    return lags


def percentile(values, n):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * n / 100))]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="figures, separated by commas: " + ", ".join(FIGURES))
    parser.add_argument("--scale", type=float, default=1.0, help="sizes and times times this")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dir", required=True, type=Path)
    parser.add_argument("--build", required=True, type=Path, help="folder of the built commands")
    args = parser.parse_args()
    wanted = args.only.replace(",", " ").split() or list(FIGURES)
    for name in wanted:
        if name not in FIGURES:
            sys.exit(f"replica: {name} is not known; there are {', '.join(FIGURES)}")
    if not can_drop_caches():
        say("not root, so caches cannot be dropped: a recovery reads what is in memory still")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is ended all the same
    bench = Bench(args)
    results = bench.base / "results"
    results.mkdir(parents=True, exist_ok=True)
    for name in (figure for figure in FIGURES if figure in wanted):
        start = time.monotonic()
        result = {"scale": args.scale, "rounds": args.rounds, **getattr(bench, name.replace("-", "_"))()}
        (results / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
        say(f"{name}, {FIGURES[name]}: {time.monotonic() - start:.0f} s")
    text = report(bench.base, results, list(FIGURES))
    (bench.base / "results.md").write_text(text)
    print(text, end="")


if __name__ == "__main__":
    main()
