#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The thief fills the replica, as far as it lets him; nothing makes room for what he sends, and it gives everything back."""

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import tap
from bench import Theft, has_all_moments
from log import DATA, behind, frame, group

ROOM = 3000

T = Theft()
node, keys, point, attack = T.node, T.keys, T.last, T.attack
tap.must("node", "budget", node.dir, T.store.volume, point.offset + ROOM)
sent, got = b"", None
for _ in range(100):
    raw = group(keys, point)
    got = T.append(point, raw)
    if got.status != 200:
        break
    sent += raw
    point = behind(point, raw)
tap.ok(got.status == 507 and got.code == "over_budget", "he can append until the budget is used up: 507 over_budget", got)
tap.ok(0 < ROOM - len(sent) < len(raw), "to the byte", len(sent))
tap.ok(tap.eventually(5, lambda: "budget" in node.alarms()), "which is an alarm", node.alarms())
attack.begin()
attack.expect("a long append", T.append(point, group(keys, point, [frame(DATA, os.urandom(4 << 20))])), 507,
              "over_budget")
attack.expect("the smallest there is", T.append(point, group(keys, point)), 507, "over_budget")
attack.expect("other bytes where something is", T.append(T.before, group(keys, T.before)), 409, "conflict")
with open(os.path.join(node.log_dir(T.store.volume), "0000000001.seg"), "rb") as f:
    tap.ok(f.read() == T.segment.raw + sent, "nothing was given up for it")
got = T.ask("GET", f"{T.volume}/log/1", extra=[("Range", "bytes=0-319")])
tap.ok(got.status == 206 and got.body == T.segment.raw[:320], "reading needs no room", got)
attack.unharmed("filling it")
has_all_moments("from the full node", node, T.store)
tap.done_testing()
