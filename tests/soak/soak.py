#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Real faults, for minutes or for hours: docs/RELIABILITY.md, "Tried by real faults", says which, and has the totals.

TAP by lines, and in the end "N passed, N failed". Exit 1 when anything failed. As root; else it says SKIP, and why.
"""

import argparse
import datetime
import random
import sys
import time
import traceback
from pathlib import Path

from broken import broken
from clock import clock
from ground import Ground, need, on_signals, say
from pair import Pair, groups
from power import power
from report import report
from room import room

# name -> what runs it, and its share of the time; beside all of them, the pair lives
PARTS = {"power": (power, 0.45), "room": (room, 0.12), "broken": (broken, 0.23), "clock": (clock, 0.20)}
TOOLS = ("losetup", "mkfs.xfs", "mkfs.ext4", "git", "perl", "fio", "ip", "tc", "nsenter")
HOST_BYTES = 64 << 30  # sparse


class Soak:
    def __init__(self, args):
        self.args = args
        self.random = random.Random(args.seed)
        self.passed = self.failed = self.skipped = 0
        self.counts, self.table, self.groups = {}, [], {}

    def ok(self, good, name, *why):
        number = self.passed + self.failed + self.skipped + 1
        print(f"{'ok' if good else 'not ok'} {number} - {name}", flush=True)
        if good:
            self.passed += 1
            return
        self.failed += 1
        for words in why[:20]:
            say(str(words).replace("\n", "\n# "))

    def skip(self, name, why):
        self.skipped += 1
        print(f"ok {self.passed + self.failed + self.skipped} - {name} # SKIP {why}", flush=True)

    def count(self, name, n=1):
        self.counts[name] = self.counts.get(name, 0) + n

    def part(self, name, seconds):
        began = time.monotonic()
        try:
            PARTS[name][0](self, seconds)
        except Exception as error:  # noqa: BLE001, one part that breaks is a failure, and not the end
            self.ok(False, f"{name}: goes through", error, traceback.format_exc())
        say(f"{name}: {time.monotonic() - began:.0f} s")

    def run(self):
        args, only = self.args, [name for name in self.args.only.split(",") if name]
        unknown = set(only) - set(PARTS) - {"pair"}
        if unknown:
            sys.exit(f"soak: no such part: {', '.join(unknown)}; there are pair, {', '.join(PARTS)}")
        chosen = {name: share for name, (_, share) in PARTS.items() if not only or name in only}
        began = time.monotonic()
        self.ground = Ground(args.dir, args.build)
        pair = Pair(self, args.seconds) if not only or "pair" in only else None
        try:
            self.groups = groups(self)
            self.host = self.ground.host(HOST_BYTES)
            if pair:
                pair.prepare()
                pair.start()
            for name, share in chosen.items():
                self.part(name, args.seconds * share / sum(chosen.values()))
            if pair:
                if not chosen:
                    time.sleep(args.seconds)
                self.end(pair)
        finally:
            self.ground.close(args.keep)
        self.seconds = time.monotonic() - began
        return not only

    def end(self, pair):
        try:
            pair.finish()
        except Exception as error:  # noqa: BLE001, as above
            self.ok(False, "the pair: goes through", error, traceback.format_exc())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=600, help="about how long")
    parser.add_argument("--dir", type=Path, required=True, help="a new folder, or an empty one; removed at the end")
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--only", default="", help="parts, by comma: pair, " + ", ".join(PARTS))
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    parser.add_argument("--report", type=Path, help="where the totals are written")
    parser.add_argument("--how", default="make soak")
    parser.add_argument("--keep", action="store_true", help="the folder stays")
    args = parser.parse_args()
    args.dir, args.build = args.dir.resolve(), args.build.resolve()
    why = need(TOOLS)
    if why:
        print(f"1..0 # SKIP {why}\n0 passed, 0 failed")
        return 0
    on_signals()
    soak = Soak(args)
    say(f"seed {args.seed}, {datetime.datetime.now():%Y-%m-%d %H:%M}")
    whole = soak.run()
    print(f"1..{soak.passed + soak.failed + soak.skipped}")
    if args.report and whole and not soak.failed:
        report(args.report, soak, args.how)
    print(f"{soak.passed} passed, {soak.failed} failed")
    return 1 if soak.failed else 0


if __name__ == "__main__":
    sys.exit(main())
