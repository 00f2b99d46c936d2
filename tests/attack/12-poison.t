#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
The thief appends what verifies and no holdfast writes, destroys the primary, and goes on using its keys. From the node
and the kit alone every moment from before is there.
"""

import json
import os
import shutil
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import log
import tap
from bench import Theft, recovered, tree
from client import Connection
from log import behind, frame, group, sealed_frame

T = Theft()
keys, node, store = T.keys, T.node, T.store
UNLINK = bytes([18, 10, 1, 1, 1, 4]) + b"none" + bytes([77, 0])
POISON = {
    "frames that do not open": lambda p: [frame(log.META, os.urandom(100))],
    "records of no type there is": lambda p: [sealed_frame(keys, log.META, p, 0, bytes([99, 2, 1, 1]))],
    "an operation that cannot be done": lambda p: [sealed_frame(keys, log.META, p, 0, UNLINK)],
    "data that nothing describes": lambda p: [frame(log.DATA, os.urandom(5000))],
}


def wrong_moments(mnt):
    return [tid for tid, wanted in store.moments.items()
            if tree(os.path.join(mnt, ".history/at", f"tid-{tid}")) != wanted]


def recover(name):
    to, words = recovered(name, node, store)
    if not tap.ok(to, f"{name}: recovered from the node and the kit alone", words):
        tap.bail("no recovery")
    os.mkdir(to + ".mnt")
    return to, to + ".mnt"


def copy_of_node(name):
    """The node as it is, to come back to: what is appended here can never be taken away again."""
    node.stop()
    shutil.copytree(node.dir, tap.path(name))


def put_back(name):
    node.stop()
    shutil.rmtree(node.dir)
    shutil.copytree(tap.path(name), node.dir)
    node.serve()


shutil.rmtree(store.dir)  # the primary is gone
copy_of_node("before")
node.serve()
for number, (name, frames) in enumerate(POISON.items()):
    point = T.last
    raw = group(keys, point, frames(point), tid=point.tid + 1, time_ns=point.time_ns + 1)
    got = T.append(point, raw)
    tap.ok(got.status == 200, f"{name}: a node without keys cannot tell", got)
    to, mnt = recover(f"new{number}")
    tap.refused(f"{name}: it is not mounted for writing, and says what to do", ["mount with -o ro"], "mount", to, mnt)
    done = tap.run("mount", to, mnt, "-o", "ro")
    tap.ok(done.returncode == 0, f"{name}: it is for reading", done.stderr)
    tap.equal(wrong_moments(mnt), [], f"{name}: every one of {len(store.moments)} moments is there, to the byte")
    status = json.loads(tap.run("status", mnt, "--json").stdout)
    tap.ok("shown as it was before this" in (status["failed"] or ""), f"{name}: and its status says so", status)
    said = tap.run("status", mnt)
    tap.ok(said.returncode == 1 and "shown as it was before this" in said.stdout and "mend the disk" not in said.stdout,
           f"{name}: to a person too, whom no mending of the disk would help", said.stdout)
    tap.must("unmount", mnt)
    put_back("before")

# far ahead, as much as a commit can be, and in the far future
point = T.last
raw = group(keys, point, tid=point.tid + 2**32 - 1, time_ns=2**63 - 1)
got = T.append(point, raw)
tap.ok(got.status == 200, "a commit of the year 2262 is taken: times are shown, and not trusted", got)
now = int(got.json["node_time_ns"])
tap.ok(now < 2**62, "the receipt has the node's own time", got)
position = behind(point, raw)
held = T.request("POST", f"{T.volume}/log/{position.segment}?offset={position.offset}", group(keys, position)).raw()
late = Connection(node.place)
late.send(held[:-1])
tap.ok(T.ask("GET", T.volume).status == 200, "the thief holds back the end of an append, its key still the writer's")
to, mnt = recover("future")
late.send(held[-1:])
T.attack.expect("its end comes when another epoch has begun", late.answer("POST"), 403, "epoch_over")
late.close()
tap.ok(tap.eventually(5, lambda: "epoch_over" in node.alarms()), "which is an alarm", node.alarms())
tap.must("mount", to, mnt)
tap.equal(wrong_moments(mnt), [], "every moment is there, to the byte")
try:
    with open(os.path.join(mnt, "after"), "wb") as f:
        f.write(b"the volume goes on")
        f.flush()
        os.fsync(f.fileno())
    problem = None
except OSError as e:
    problem = e
tap.equal(problem, None, "and the volume goes on from there")


def states():
    return {r["state"] for r in json.loads(tap.run("status", to, "--json").stdout)["replicas"]}


tap.ok(tap.eventually(30, lambda: states() == {"current"}), "to the node, too", tap.run("status", to).stdout)

# The epoch is over for the thief, in every way.
attack = T.attack
attack.begin()
for name, got in {
    "asks where it is": T.ask("GET", T.volume),
    "lists": T.ask("GET", f"{T.volume}/log"),
    "reads": T.ask("GET", f"{T.volume}/log/1"),
    "appends": T.append(position, group(keys, position)),
    "brings its certificate back": T.ask("PUT", T.volume, T.segment.cert),
}.items():
    attack.expect(f"the stolen key {name}", got, 403, "epoch_over")
attack.unharmed("the stolen key")
tap.ok("epoch_over" in node.alarms(), "and that somebody uses it is an alarm", node.alarms())
tap.must("unmount", mnt)
tap.done_testing()
