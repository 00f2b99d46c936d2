#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
Healing as a way in: the thief has every key of the primary, the node's disk has a damaged byte, and he may choose what
the node is healed from. He alters nothing, rolls nothing back, and adds nothing (PROTOCOL.md §8.3).
"""

import os
import shutil
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import log
import tap
from bench import Theft, has_all_moments
from log import Segment, behind, group, sealed_frame

T = Theft()
node, store, keys, attack, segment = T.node, T.store, T.keys, T.attack, T.segment
name = f"{segment.end.segment:010d}.seg"
theirs = os.path.join(node.log_dir(store.volume), name)
points = segment.points
good = segment.raw
TAKEN, LAST = 2, len(points) - 1  # groups by number, from 1
place = points[TAKEN - 1].offset + 45  # in a body, and so in its hash


def flip(at):
    with open(theirs, "r+b") as f:
        f.seek(at)
        byte = f.read(1)[0]
        f.seek(at)
        f.write(bytes([byte ^ 4]))


def folder(title, raw):
    """What he brings: a folder named log with this segment in it."""
    to = tap.path(title.replace(" ", "-"))
    os.makedirs(os.path.join(to, "log"))
    with open(os.path.join(to, "log", name), "wb") as f:
        f.write(raw)
    return to


def heal(source):
    return tap.run("node", "check", node.dir, "--repair", "--from", source)


def signed_log(upto, count):
    """The log up to a group, then groups of the thief's own, whose every signature holds."""
    raw, point = good[:points[upto].offset], points[upto]
    for i in range(count):
        plain = os.urandom(200)
        made = group(keys, point, [sealed_frame(keys, log.META, point, 0, plain)], tid=point.tid + 1,
                     time_ns=point.time_ns + 1)
        raw, point = raw + made, behind(point, made)
    return raw


def other_in_place():
    """Only the damaged group is another, signed for its place; the rest is as it is on the node."""
    before = points[TAKEN - 1]
    length = points[TAKEN].offset - before.offset
    spare = length - 176 - 40 - 16
    made = group(keys, before, [sealed_frame(keys, log.META, before, 0, os.urandom(spare))], tid=points[TAKEN].tid,
                 time_ns=points[TAKEN].time_ns)
    assert len(made) == length
    return good[:before.offset] + made + good[points[TAKEN].offset:]


SOURCES = {
    "another group signed for that very place": other_in_place(),
    "another history from there on": signed_log(TAKEN - 1, 8),
    "another history from the beginning": signed_log(0, 8),
    "the log as it was before": good[:points[TAKEN - 1].offset],
    "nothing": b"",
    "noise": os.urandom(len(good)),
}
tap.ok(Segment.parse(SOURCES["another history from there on"]).end.commit == points[TAKEN - 1].commit + 8,
       "what he signs is a log")

# --- by requests, while the node is served: the damage is read back as it is, and nobody may mend it

flip(place)
attack.begin()
mended = good[points[TAKEN - 1].offset:points[TAKEN].offset]
attack.expect("the right bytes, sent again to where they are damaged", T.append(points[TAKEN - 1], mended), 409, "conflict")
for verb in ("PUT", "PATCH", "DELETE"):
    attack.expect(f"{verb} of the segment", T.ask(verb, f"{T.volume}/log/{segment.end.segment}", mended), 405, "method")
for path in ("heal", "repair", f"log/{segment.end.segment}/repair"):
    attack.expect(f"POST {path}", T.ask("POST", f"{T.volume}/{path}", mended), 404, "not_found")
attack.unharmed("asking for it")
done = heal(folder("too soon", good))
tap.ok(done.returncode == 2 and "must not be served" in done.stderr, "nor is it done while the node is served", done)

# --- by the node's own command, with a folder of his

node.stop()
attack.begin()
done = tap.run("node", "check", node.dir)
tap.ok(done.returncode == 1 and "segment" in done.stdout, "the damage is found", done)
for title, raw in SOURCES.items():
    done = heal(folder(title, raw))
    tap.ok(done.returncode == 1 and "not healed" in done.stdout, f"from {title}: refused", done)
    attack.unharmed(f"from {title}")

# --- where nothing is damaged, nothing is touched; and where the end is, nothing is put behind it

flip(place)
attack.begin()
for title in ("another history from there on", "another history from the beginning", "the log as it was before"):
    done = heal(tap.path(title.replace(" ", "-")))
    tap.ok(done.returncode == 0, f"whole, and healed from {title}", done)
    attack.unharmed(f"whole, from {title}")
done = heal(folder("longer", signed_log(LAST, 3)))
tap.ok(done.returncode == 0, "nor is a continuation taken", done)
attack.unharmed("a continuation")

# --- the right bytes heal, whoever brings them, and what was there is kept

flip(place)
done = heal(folder("the right one", good))
tap.ok(done.returncode == 0 and "healed" in done.stdout, "the right bytes are taken", done)
with open(theirs, "rb") as f:
    tap.equal(f.read(), good, "and the segment is what it was")
kept = os.path.join(node.dir, "volumes", store.volume, "damaged")
tap.equal(len(os.listdir(kept)), 1, "the damaged group is kept")
shutil.rmtree(kept)
node.serve()
has_all_moments("after all that", node, store)
tap.done_testing()
