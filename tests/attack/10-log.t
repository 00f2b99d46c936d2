#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
Root on the primary has every key that the primary stores, and says to the node whatever it likes of the log.

What an attack is, and where it is performed:
  root on the primary
    deletes mount, store and disks          12-poison.t, at the end; tests/system/10-story.t and 40-node.t
    deletes, overwrites, truncates, renames here
    forks, rolls back                       here; tests/system/43-kit.t (saved heads)
    forges times                            here
    replays requests                        11-requests.t
    signs what no holdfast writes           12-poison.t; tests/unit/test_volume_foreign.c
    encrypts everything in place            12-poison.t: every earlier moment is there
    takes an epoch, uses keys after theirs  11-requests.t; 12-poison.t, at the end
    downgrades the format                   here
    fills the replica                       13-full.t, 20-http.t (bodies without end); tests/system/44-budget.t
    leaves it torn in a crash               16-torn.t
    has history pruned                      14-prune.t; tests/system/44-prune.t
    stops replication quietly               tests/system/42-alarms.t
    corrupts the index, the store, a socket 40-local.t; tests/system/60-index.t
  the network
    malformed, smuggled, endless requests   20-http.t
    somebody in between                     30-liar.t
  the replica's provider
    reads, alters, swaps, withholds, lies   30-liar.t
    serves an older state                   30-liar.t; tests/system/43-kit.t
"""

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import json

import log
import tap
from bench import Theft
from log import frame, group, moved, sealed_frame, segment_header

T = Theft()
attack, keys, last, before, segment = T.attack, T.keys, T.last, T.before, T.segment

# --- verbs

VERBS = ("DELETE", "PATCH", "PUT", "POST", "MOVE", "COPY", "TRUNCATE", "MKCOL", "PROPPATCH", "PROPFIND", "LOCK",
         "UNLOCK", "LINK", "UNLINK", "PURGE", "OPTIONS", "TRACE", "HEAD", "REPORT", "delete")
ALLOWED = {"": ("PUT", "GET"), "/log": ("GET",), "/log/1": ("GET", "POST")}
WEBDAV = [("Destination", f"{T.volume}/log/2"), ("Overwrite", "T"), ("If-Match", "*")]
wrong, allow = [], set()
for rest, allowed in ALLOWED.items():
    for verb in (v for v in VERBS if v not in allowed):
        got = T.ask(verb, T.volume + rest, extra=WEBDAV)
        allow.add(got.headers.get("allow", "none"))
        if got.status != 405 or (verb != "HEAD" and got.code != "method"):
            wrong.append((verb, rest, str(got)))
tap.equal(wrong, [], "no verb deletes, replaces, moves or changes: each is answered 405 method")
tap.equal(allow, {"GET, PUT", "GET", "GET, POST"}, "each with Allow")
for header in ("X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"):
    got = T.ask("GET", f"{T.volume}/log/1", extra=[(header, "DELETE"), ("Range", "bytes=0-9")])
    tap.ok(got.status == 206, f"{header}: DELETE makes a read no deletion", got)
attack.unharmed("verbs")
tap.equal(T.node.alarms(), attack.raised, "a verb that is refused is no alarm")

# --- overwriting and truncating

forged = group(keys, before, [sealed_frame(keys, log.META, before, 0, b"nothing of yours")], tid=last.tid,
               time_ns=last.time_ns)
attack.expect("other bytes in place of the last group", T.append(before, forged), 409, "conflict")
attack.evidence_of("the overwrite", "conflict", forged)
forged = group(keys, segment.points[0], [frame(log.DATA, os.urandom(500))], tid=1, time_ns=1)
attack.expect("other bytes in place of the first group", T.append(segment.points[0], forged), 409, "conflict")
attack.evidence_of("the second overwrite", "conflict", forged)
attack.unharmed("overwriting")
for name, point in (("within the log, which could mean cutting it", before), ("at its end", last)):
    got = T.append(point, b"")
    tap.ok(got.status in (400, 416, 422), f"an append of nothing {name} is refused", got)
attack.expect("the last group again and more behind it", T.append(before, segment.group(-1) + group(keys, last)), 416,
              "gap")
attack.expect("behind the end", T.append(moved(last, offset=last.offset + 1), group(keys, last)), 416, "gap")
attack.expect("in a segment far ahead", T.append(moved(last, segment=last.segment + 5, offset=0), segment.raw[:320]),
              416, "gap")
got = T.append(before, segment.group(-1))
tap.ok(got.status == 200 and got.json.get("offset") == last.offset, "the same bytes again change nothing", got)
attack.begin()
half = group(keys, last)[:-1]
attack.expect("half a group", T.append(last, half), 422, "not_verified")
attack.evidence_of("half a group", "not_verified", half)
new = segment_header(T.store.id, last, last.segment + 1, 1, segment.cert)
attack.expect("a segment behind one that is not sealed", T.begin_segment(new), 422, "not_verified")
attack.evidence_of("the segment", "not_verified", new)
attack.unharmed("truncating")

# --- forking and rolling back

roll = tap.path("early.mnt")
os.mkdir(roll)
tap.must("mount", T.early, roll)
with open(os.path.join(roll, "rolled back"), "wb") as f:
    f.write(b"another history")
    f.flush()
    os.fsync(f.fileno())


def early_replicas():
    return json.loads(tap.run("status", T.early, "--json").stdout)["replicas"]


tap.ok(tap.eventually(20, lambda: {r["state"] for r in early_replicas()} == {"refused"}),
       "an old copy of the store that goes on by itself is refused by both nodes, and says so", early_replicas())
tap.run("unmount", roll, "--timeout", "0")
attack.unharmed("rolling back")
fork = log.segments(os.path.join(T.early, "log"))[-1]
common = next(i for i, (a, b) in enumerate(zip(fork.points, segment.points)) if a.chain != b.chain) - 1
theirs = fork.raw[fork.points[common].offset:]
attack.begin()
attack.expect("what it wrote, where it wrote it", T.append(fork.points[common], theirs), 409, "conflict")
attack.evidence_of("the fork", "conflict", theirs)
attack.expect("what it wrote, at the end", T.append(last, theirs), 422, "not_verified")
attack.evidence_of("the fork at the end", "not_verified", theirs)
attack.unharmed("forking")

# --- commits that say wrong things, rightly signed

RESERVED = frame(log.COMMIT, bytes(log.COMMIT_BYTES))[:log.FRAME_HEADER_BYTES]
CASES = {
    "a time before the last": ({"time_ns": last.time_ns - 1}, 422, "not_verified"),
    "the year 2300": ({"time_ns": 10413792000 * 10**9}, 422, "not_verified"),
    "a tid that uses up all others": ({"tid": 2**64 - 1}, 422, "not_verified"),
    "a tid before the last": ({"tid": last.tid - 1}, 422, "not_verified"),
    "a number out of turn": ({"number": last.commit + 2}, 422, "not_verified"),
    "the number of the last": ({"number": last.commit}, 422, "not_verified"),
    "another epoch": ({"epoch": 2}, 422, "not_verified"),
    "frames that are not there": ({"frames": 3}, 422, "not_verified"),
    "a seal without a table": ({"flags": log.SEALS}, 422, "not_verified"),
    "a flag of the future": ({"flags": 2}, 422, "unknown_version"),
    "another chain": ({"chain": os.urandom(32)}, 422, "not_verified"),
    "no signature": ({"signature": bytes(64)}, 403, "bad_log_signature"),
    "a reserved byte": ({"header": RESERVED[:6] + b"\1" + RESERVED[7:]}, 422, "unknown_version"),
}
for name, (change, status, code) in CASES.items():
    attack.expect(f"a commit with {name}", T.append(last, group(keys, last, **change)), status, code)
raw = bytearray(group(keys, last, [frame(log.DATA, os.urandom(200))]))
raw[100] ^= 1
attack.expect("a bit that flipped after signing", T.append(last, bytes(raw)), 422, "not_verified")
attack.expect("a commit signed for another segment",
              T.append(last, group(keys, moved(last, segment=last.segment + 1))), 403, "bad_log_signature")
attack.expect("a frame that is longer than any", T.append(last, b"HFr1\1\0\0\0\xff\xff\xff\xff" + bytes(300)), 422,
              "not_verified")
stranger, alien = T.stranger()
attack.expect("a commit signed by another volume's writer", T.append(last, group(stranger, last)), 403,
              "bad_log_signature")
attack.expect("another volume's log", T.begin_segment(alien.raw), 403, "bad_log_signature")
attack.unharmed("commits that say wrong things")
tap.ok({"not_verified", "bad_log_signature", "conflict"} <= set(T.node.alarms()), "each kind of attempt is an alarm",
       T.node.alarms())

# --- downgrades

for version in (0, 2, 0xffff):
    new = segment_header(T.store.id, last, last.segment + 1, 1, segment.cert, version=version)
    attack.expect(f"a segment of format version {version}", T.begin_segment(new), 422, "unknown_version")
new = segment_header(T.store.id, last, last.segment + 1, 1, segment.cert, flags=1)
attack.expect("a segment with a flag of the future", T.begin_segment(new), 422, "unknown_version")
attack.unharmed("downgrades")
tap.done_testing()
