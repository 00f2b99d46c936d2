#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
The thief of the writer key, and a node that crashes while it takes what he sends: an append that hides in a frame a
commit signed for its very place. What the crash leaves of it must not pass for damage, which would keep the volume
from being served; nor may any volume of his keep that of somebody else from it.
"""

import os
import signal
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import tap
from bench import Store, Theft, has_all_moments, segments
from client import Connection, Request
from log import DATA, FRAME_HEADER_BYTES, Keys, commit_frame, frame, group, moved

MIB = 1 << 20
T = Theft()
node, last = T.node, T.last
other = Store("stranger", node.invite())
tap.ok(other.status()["replicas"], "an innocent volume on the same node")
file = os.path.join(node.log_dir(T.store.volume), f"{last.segment:010}.seg")

place = moved(last, offset=last.offset + FRAME_HEADER_BYTES, commit=last.commit + 6)
hidden = commit_frame(T.keys, place, [], chain=os.urandom(32))
body = group(T.keys, last, [frame(DATA, hidden + bytes(MIB - len(hidden)))] + [frame(DATA, bytes(MIB))] * 80)


def node_pid():
    with open(os.path.join(node.dir, "pid"), encoding="ascii") as f:
        return int(f.read())


def crash_in_append():
    """Killed in the midst of writing it; how many bytes of it are there then."""
    sent = T.request("POST", f"{T.volume}/log/{last.segment}?offset={last.offset}", body).raw()
    pid, end = node_pid(), time.monotonic() + 60
    threading.Thread(target=Connection(node.place).send, args=(sent,), daemon=True).start()
    while os.path.getsize(file) <= last.offset + MIB and time.monotonic() < end:
        pass
    os.kill(pid, signal.SIGKILL)
    tap.eventually(10, lambda: not os.path.exists(f"/proc/{pid}"))
    return os.path.getsize(file) - last.offset


there = crash_in_append()
for _ in range(4):  # it may have been written whole already
    if 0 < there < len(body):
        break
    with open(file, "r+b") as f:
        f.truncate(last.offset)
    node.serve()
    there = crash_in_append()
tap.ok(0 < there < len(body), f"the node is killed when {there} of {len(body)} bytes are written")
done = tap.run("serve", node.dir)
tap.ok(done.returncode == 0, "it starts again", done.stderr)
tap.equal(os.path.getsize(file), last.offset, "and has cut off what was torn, and no more")
keys = Keys.steal(other.dir)
got = Request(node.place, keys.writer, "GET", f"/v1/volumes/{other.volume}").send()
tap.equal(got.status, 200, "the other volume is served")

# --- damage itself: only whose it is, is without a replica

node.stop()
with open(file, "r+b") as f:
    f.seek(T.segment.points[0].offset + 50)
    byte = f.read(1)
    f.seek(-1, os.SEEK_CUR)
    f.write(bytes([byte[0] ^ 1]))
done = tap.run("serve", node.dir)
tap.ok(done.returncode == 0, "a node with a damaged volume starts", done.stderr)
got = T.ask("GET", T.volume)
tap.ok(got.status == 500 and got.code == "damaged", "that volume's own requests are refused: 500 damaged", got)
got = Request(node.place, keys.writer, "GET", f"/v1/volumes/{other.volume}").send()
tap.equal(got.status, 200, "the other volume is served")
done = tap.run("node", "status", node.dir)
tap.ok(done.returncode == 1 and "FAILED" in done.stdout and T.store.volume in done.stdout, "node status says which",
       done.stdout)
tap.ok("damage" in node.alarms(), "and there is an alarm", node.alarms())
node.stop()
done = tap.run("node", "check", node.dir, "--repair", "--from", T.store.dir)
tap.ok(done.returncode == 0, "it is healed from another copy", done.stdout, done.stderr)
node.serve()
tap.equal(segments(node.log_dir(T.store.volume))[-1].end, last, "and ends where it did")
has_all_moments("back", node, T.store)
tap.done_testing()
