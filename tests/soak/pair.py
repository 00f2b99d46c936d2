# SPDX-License-Identifier: MIT
"""A volume and two nodes that live from the beginning of a soak to its end, under load, while everything around them
goes wrong by turns. One node is behind a cable that can be pulled, and is never restarted; the other is killed."""

import os
import random
import signal
import threading

from ground import Elsewhere, Failed, Group, eventually, run, say
from volume import Node, Volume, same_log
from watch import Watch, grown
from writers import Files, Git, Sqlite, finish_all

MIB = 1 << 20
CACHE, LIMIT = "cache=64M", 192 * MIB
STOP_SECONDS = 60
RATE_BYTES, MOST_BYTES = 2 * MIB, 4 << 30  # of files written a second, and in all, about


class Pair(threading.Thread):
    def __init__(self, soak, seconds):
        super().__init__(daemon=True)
        self.soak, self.ground, self.seconds = soak, soak.ground, seconds
        self.halt = threading.Event()
        self.random = random.Random(soak.args.seed + 1)  # its own, since the parts ask theirs at other times each run
        self.error = None
        self.pause_s = min(STOP_SECONDS, max(3, seconds / 10))
        self.wrong = []

    def prepare(self):
        ground, base = self.ground, self.ground.base / "pair"
        base.mkdir()
        self.cable = Elsewhere(ground)
        self.far = Node(ground, base / "far", self.cable.there, 7443, self.cable.enter, name="far").serve()
        self.near = Node(ground, base / "near", name="near").serve()
        self.volume = Volume(ground, base / "store", base / "mnt", base / "kit", "pair")
        self.volume.make()
        for name, node in (("far", self.far), ("near", self.near)):
            run(ground.command, "replica", "add", self.volume.store, node.invite(), "--name", name)
        self.volume.mount(CACHE, group=self.soak.groups.get("small"))
        slack = max(1.0, self.seconds / 600)
        rate = min(RATE_BYTES, MOST_BYTES / self.seconds)
        files = Files(self.volume.files / "files")
        files.pause = sum(files.sizes) / 2 / rate
        self.writers = [files, Git(self.volume.files / "git", pause=0.5 * slack),
                        Sqlite(self.volume.files / "sqlite", pause=0.02 * slack)]
        for writer in self.writers:
            writer.start()
        self.watch = Watch({"mount": lambda: self.volume.pid, "node, cut off and stopped": lambda: self.far.pid,
                            "node, killed": lambda: self.near.pid}, max(0.2, self.seconds / 1000))
        self.watch.start()

    # --- what is looked at after each

    def moves(self, what, seconds=60):
        """All writers get something durable."""
        before = [w.promise for w in self.writers]
        if not eventually(seconds, lambda: all(w.promise > b for w, b in zip(self.writers, before))):
            self.wrong.append(f"{what}: somebody gets nothing durable within {seconds} s: "
                              f"{[(type(w).__name__, w.promise, w.errors[-1:]) for w in self.writers]}")

    def catches_up(self, what, *names, seconds=180):
        tid = int(self.volume.status()["committed_tid"])
        if not eventually(seconds, lambda: all(int(self.volume.replica(n)["acked_tid"]) >= tid for n in names), 0.5):
            self.wrong.append(f"{what}: {names} do not get what was durable within {seconds} s: "
                              f"{self.volume.status()['replicas']}")

    def rest(self, share=1.0):
        self.halt.wait(self.pause_s * share)

    # --- what goes wrong

    def mount_stops(self):
        os.kill(self.volume.pid, signal.SIGSTOP)
        before = [w.promise for w in self.writers]
        self.rest()
        if any(w.promise > b + 2 for w, b in zip(self.writers, before)):
            self.wrong.append("the mount was not stopped: the test has not tested")
        os.kill(self.volume.pid, signal.SIGCONT)
        self.moves("after the mount was stopped")
        self.catches_up("after the mount was stopped", "far", "near")
        self.soak.count("mount stopped by SIGSTOP, times")

    def node_stops(self):
        os.kill(self.far.pid, signal.SIGSTOP)
        self.moves("while a node is stopped")
        self.rest()
        os.kill(self.far.pid, signal.SIGCONT)
        self.catches_up("after a node was stopped", "far")
        self.soak.count("node stopped by SIGSTOP, times")

    def node_dies(self):
        self.near.kill()
        self.moves("while a node is dead")
        self.halt.wait(self.random.random() * 5)
        self.near.serve()
        self.catches_up("after a node was killed", "near")
        self.soak.count("node killed and started again")

    def cable_pulled(self):
        self.cable.pull()
        self.moves("while a node is cut off")
        self.rest(0.5)
        if self.far.listens():
            self.wrong.append("the node could be reached with the cable pulled: the test has not tested")
        self.cable.plug()
        self.catches_up("after a node was cut off", "far")
        self.soak.count("node cut off")

    def cable_slow(self):
        how = self.cable.slow()
        self.moves("while the way to a node is slow")
        self.rest(0.5)
        self.cable.fast()
        self.catches_up("after the way was slow", "far")
        self.soak.count(f"way to a node slow ({how})")

    def both_at_once(self):
        self.cable.pull()
        self.near.kill()
        self.moves("while no node can be reached")
        self.rest(0.3)
        self.cable.plug()
        self.near.serve()
        self.catches_up("after no node could be reached", "far", "near")
        self.soak.count("no node to be reached")

    def pressure(self):
        """More goes through the process than its limit has room for; and the kernel takes back what it can."""
        large = self.volume.files / "large"
        with open(large, "wb") as f:
            for _ in range(LIMIT // MIB + 32):
                f.write(os.urandom(MIB))
            f.flush()
            os.fsync(f.fileno())
        run(self.ground.command, "check", self.volume.files, seconds=600)
        large.unlink()
        self.soak.count("more written and verified than the limit of memory")

    def run(self):
        try:
            turns = [self.cable_pulled, self.node_dies, self.mount_stops, self.cable_slow, self.node_stops,
                     self.both_at_once]
            self.pressure()
            number = 0
            while number < len(turns) or not self.halt.is_set():
                turns[number % len(turns)]()
                number += 1
        except Exception as error:  # noqa: BLE001, told by finish, in the thread that counts
            self.error = error

    # --- the end

    def finish(self):
        self.halt.set()
        self.join(1800)
        if self.is_alive():
            raise Failed("what goes on around the pair does not end")
        if self.error:
            raise self.error
        self.watch.finish()
        self.wrong += finish_all(self.writers)
        self.moved_on()
        self.volume.unmount(120)
        self.wrong.append(self.volume.check())
        for node in (self.far, self.near):
            kept = next((node.dir / "volumes").iterdir())
            self.wrong.append(same_log(kept / "log", self.volume.store / "log"))
            self.wrong += [f"{node.dir.name} has evidence of refused bytes" for e in [kept.parent.parent / "evidence"]
                           if e.is_dir() and any(e.iterdir())]
        self.recovered()
        wrong = [w for w in self.wrong if w]
        self.soak.ok(not wrong, "a volume and two nodes, stopped, killed, cut off and slow by turns: nothing "
                     "promised is lost, here or from a node, and no program was told of any of it", *wrong)
        for name, group in self.soak.groups.items():
            self.pressed(name, group)
        self.flat()

    def moved_on(self):
        self.wrong += [w.wrong(w.top, w.promise, w.begun) for w in self.writers]
        tid = self.volume.status()["committed_tid"]
        if not eventually(120, lambda: all(r["acked_tid"] == tid for r in self.volume.status()["replicas"])):
            self.wrong.append(f"the nodes do not get the end: {self.volume.status()['replicas']}")

    def recovered(self):
        """All that was promised, from the node that was cut off, and the kit."""
        identity = self.volume.status()["volume_id"]
        base = self.ground.base / "pair"
        again = Volume(self.ground, base / "again", base / "again.mnt", name="recovered")
        run(self.ground.command, "recover", "--from", self.far.invite(identity), "--kit", self.volume.kit,
            again.store, seconds=1200)
        again.mount(CACHE)
        self.wrong += [f"recovered: {w}" for writer in self.writers
                       for w in [writer.wrong(again.files / writer.top.name, writer.promise, writer.begun)] if w]
        again.unmount()

    def pressed(self, name, group):
        words = []
        if group.killed():
            words.append(f"the kernel killed {group.killed()} processes in it")
        if name == "small" and not group.reached():
            words.append("the limit was never reached: the test has not tested")
        self.soak.ok(not words, f"memory limited to {group.limit // MIB} MiB with {group.cache}: nobody is killed; "
                     f"the limit was reached {group.reached():,} times", *words)
        self.soak.count(f"times a limit of {group.limit // MIB} MiB was reached, with {group.cache}", group.reached())

    def flat(self):
        rows = self.watch.rows()
        self.soak.table = rows
        words = [w for row in rows[:2] for w in grown(row)]
        for row in rows:
            say(f"{row['name']}: {row['looks']} looks, MiB {row['rss'][0] / MIB:.0f} then {row['rss'][1] / MIB:.0f}, "
                f"at most {row['rss_most'] / MIB:.0f}; descriptors {row['fds'][0]:.0f} then {row['fds'][1]:.0f}")
        self.soak.ok(len(rows) >= 2 and not words, "memory and descriptors of mount and node are flat at the end",
                     *words)


def groups(soak):
    """What limits the memory of mounts, by name."""
    why = Group.none()
    if why:
        soak.skip("memory limited by control groups", why)
        return {}
    small, default = Group(soak.ground, "small", LIMIT), Group(soak.ground, "default", 384 * MIB)
    small.cache, default.cache = CACHE, "cache=256M, the default"
    return {"small": small, "default": default}
