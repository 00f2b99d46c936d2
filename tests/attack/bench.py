# SPDX-License-Identifier: MIT
"""A node, a store that ships to it, and what both must still have when an attack is over."""

import hashlib
import json
import os
import shutil
import subprocess

import tap
from client import Place, Request
from log import Keys, Point, segments


def free_port():
    return int(subprocess.check_output([os.path.join(tap.HERE, "../free-port")]))


def digest(name):
    with open(name, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


class Node:
    """`holdfast serve` of a folder of the test's."""

    def __init__(self, name):
        self.dir = tap.path(name)
        tap.must("node", "init", self.dir, "--listen", f"127.0.0.1:{free_port()}")
        self.serve()
        self.place = Place.of(self.invite())

    def serve(self):
        tap.must("serve", self.dir)

    def stop(self):
        with open(os.path.join(self.dir, "pid"), encoding="ascii") as f:
            tap.end_process(int(f.read()))

    def invite(self, volume=None, **options):
        more = [word for name, value in options.items() for word in (f"--{name}", value)]
        return tap.must("node", "invite", self.dir, *(["--volume", volume] if volume else []), *more).strip()

    def log_dir(self, volume):
        return os.path.join(self.dir, "volumes", volume, "log")

    def held(self):
        """Every byte that it keeps of volumes and keys, by hash; and which invitations are used."""
        found = {}
        for top in ("volumes", "keys", "invitations"):
            for folder, _, names in os.walk(os.path.join(self.dir, top)):
                for name in names:
                    if name != "heard" and not name.startswith("heard."):  # derived, and rewritten as time goes by
                        full = os.path.join(folder, name)
                        found[os.path.relpath(full, self.dir)] = digest(full)
        found["node.json"] = digest(os.path.join(self.dir, "node.json"))
        return found

    def alarms(self):
        """Open ones: how often each kind was raised."""
        done = tap.run("node", "status", self.dir, "--json")
        return {a["kind"]: int(a["count"]) for a in json.loads(done.stdout)["alarms"]}

    def words(self, kind):
        done = tap.run("node", "status", self.dir, "--json")
        return next((a["words"] for a in json.loads(done.stdout)["alarms"] if a["kind"] == kind), "")

    def acknowledge(self):
        tap.run("node", "acknowledge", self.dir, "all")

    def evidence(self):
        folder = os.path.join(self.dir, "evidence")
        return sorted(os.listdir(folder))

    def evidence_body(self, name):
        with open(os.path.join(self.dir, "evidence", name), "rb") as f:
            return f.read()


def tree(root):
    """Every name below root, with what is in it."""
    found = {}
    for folder, folders, names in os.walk(root):
        if folder == root and ".history" in folders:
            folders.remove(".history")
        for name in names:
            full = os.path.join(folder, name)
            found[os.path.relpath(full, root)] = os.readlink(full) if os.path.islink(full) else digest(full)
        for name in folders:
            found[os.path.relpath(os.path.join(folder, name), root)] = "folder"
    return found


class Store:
    """A volume, its mount when it has one, and what its tree was at every moment that was noted."""

    def __init__(self, name, *replicas):
        self.dir, self.mnt, self.kit = tap.path(name), tap.path(name + ".mnt"), tap.path(name + ".kit")
        os.mkdir(self.mnt)
        more = [word for r in replicas for word in ("--replica", r)]
        tap.must("init", self.dir, "--kit-file", self.kit, *more)
        self.volume = self.status()["volume_id"]
        self.moments = {}

    @property
    def id(self):
        return bytes.fromhex(self.volume)

    def status(self):
        return json.loads(tap.run("status", self.dir, "--json").stdout)

    def mount(self, *options):
        tap.must("mount", self.dir, self.mnt, *(["-o", ",".join(options)] if options else []))

    def unmount(self):
        tap.must("unmount", self.mnt)

    def write(self, name, data):
        full = os.path.join(self.mnt, name)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "wb") as f:
            f.write(data)
            f.flush()
            os.fsync(f.fileno())

    def note(self):
        """Remember what the tree is now, by the moment it is at."""
        self.moments[int(self.status()["head_tid"])] = tree(self.mnt)

    def current(self):
        replicas = self.status()["replicas"]
        return all(r["state"] == "current" and r["lag_bytes"] == 0 for r in replicas)

    def caught_up(self):
        return tap.eventually(30, self.current)

    def states(self):
        return {r["name"]: (r["state"], r["error"]) for r in self.status()["replicas"]}

    def steal(self, name):
        """A copy of everything root can read."""
        to = tap.path(name)
        shutil.copytree(self.dir, to, ignore=shutil.ignore_patterns("socket", "lock", "index"))
        return to, Keys.steal(to)


def make_history(store):
    """A past with overwrites, renames and deletions, noted on the way."""
    store.mount()
    store.write("plans.txt", b"the first plan\n")
    store.write("folder/secret-name.bin", os.urandom(200000))
    store.note()
    store.write("plans.txt", b"the second plan, which is longer\n")
    os.rename(os.path.join(store.mnt, "folder/secret-name.bin"), os.path.join(store.mnt, "folder/moved.bin"))
    store.note()
    store.write("folder/moved.bin", os.urandom(70000))
    os.unlink(os.path.join(store.mnt, "plans.txt"))
    store.note()


def recovered(name, node, store, *args):
    """A new primary from the node and the kit alone, or None and why."""
    to = tap.path(name)
    done = tap.run("recover", "--from", node.invite(store.volume), "--kit", store.kit, *args, to)
    return (to, done.stdout) if done.returncode == 0 else (None, done.stderr)


def has_all_moments(name, node, store):
    """One TAP line: a recovery has every moment that was noted, to the byte. The new store's folder."""
    to, words = recovered(name, node, store)
    if not tap.ok(to, f"{name}: recovery from the node and the kit alone", words):
        return None
    mnt = tap.path(name + ".mnt")
    os.mkdir(mnt)
    done = tap.run("mount", to, mnt)
    if not tap.ok(done.returncode == 0, f"{name}: what was recovered mounts", done.stderr):
        return to
    wrong = [tid for tid, wanted in store.moments.items()
             if tree(os.path.join(mnt, ".history/at", f"tid-{tid}")) != wanted]
    tap.equal(wrong, [], f"{name}: every one of {len(store.moments)} moments is there, to the byte")
    tap.must("unmount", mnt)
    return to


class Attack:
    """Attempts against a node; after each it must hold what it held."""

    def __init__(self, node):
        self.node = node
        self.begin()

    def begin(self):
        """From here on nothing may change."""
        self.held, self.kept, self.raised = self.node.held(), self.node.evidence(), self.node.alarms()

    def unharmed(self, name):
        now = self.node.held()
        changed = sorted(k for k in self.held.keys() | now.keys() if self.held.get(k) != now.get(k))
        return tap.equal(changed, [], f"{name}: the node holds what it held, bit for bit")

    def expect(self, name, answer, status, code):
        return tap.ok(answer.status == status and answer.code == code, f"{name}: {status} {code}", answer)

    def evidence_of(self, name, kind, body):
        """The attempt is kept to the byte, and an alarm names it."""
        new = [e for e in self.node.evidence() if e not in self.kept]
        bodies = [self.node.evidence_body(e) for e in new if e.endswith(".bin")]
        tap.ok(bodies and bodies[-1] == body, f"{name}: kept as evidence, to the byte", new)
        number = new[-1].split(".")[0] if new else "none"
        named = tap.eventually(5, lambda: f"evidence/{number}" in self.node.words(kind))
        tap.ok(named, f"{name}: and an alarm names it", self.node.alarms(), self.node.words(kind))
        self.kept = self.node.evidence()


def log_of(node, store):
    return segments(node.log_dir(store.volume))


class Theft:
    """Root on the primary: a store whose history two nodes have, its stolen keys, and an old copy of it."""

    def __init__(self):
        tap.need_fuse()
        self.node, self.other = Node("node"), Node("second")
        self.store = Store("store", self.node.invite(), self.other.invite())
        make_history(self.store)
        self.early = self._stop_and_copy("early")
        self.store.mount()
        for name in ("folder/moved.bin", "more.txt"):  # everything in place is encrypted, as ransomware does
            self.store.write(name, os.urandom(5000))
        self.store.note()
        self.stolen = self._stop_and_copy("stolen")
        self.keys = Keys.steal(self.stolen)
        self.segment = log_of(self.node, self.store)[-1]
        self.last, self.before = self.segment.end, self.segment.points[-2]
        self.volume = f"/v1/volumes/{self.store.volume}"
        self.attack = Attack(self.node)

    def _stop_and_copy(self, name):
        if not self.store.caught_up():
            tap.bail("the nodes do not catch up", self.store.status())
        self.store.unmount()
        return self.store.steal(name)[0]

    def stranger(self):
        """Another volume on the same node: its keys and its first segment."""
        other = Store("stranger", self.node.invite())
        self.attack.begin()
        return Keys.steal(other.dir), segments(os.path.join(other.dir, "log"))[0]

    def request(self, method, target, body=None, key=None, **more):
        return Request(self.node.place, key or self.keys.writer, method, target, body, **more)

    def ask(self, *args, **more):
        return self.request(*args, **more).send()

    def append(self, point, raw, **more):
        return self.ask("POST", f"{self.volume}/log/{point.segment}?offset={point.offset}", raw, **more)

    def begin_segment(self, raw, **more):
        """Append a header (and what follows it) where the next segment would begin."""
        return self.append(Point(self.last.segment + 1, 0), raw, **more)
