#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A node that lies to a drill: older bytes, damaged bytes, bytes kept back, writes accepted. The drill fails, and says where."""

import json
import os
import shutil
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import tap
from bench import Theft
from liar import Liar, Lie

T = Theft()
node, store = T.node, T.store
REPLICA = f"{node.place.host}-{node.place.port}"
os.mkdir(tap.path("scratch"))


def drill(*more):
    """Exit code, and the verdict and words of each step."""
    done = tap.run("drill", store.dir, "--from", REPLICA, "--dir", tap.path("scratch"), "--moments", "0", "--json", *more)
    try:
        told = json.loads(done.stdout)
    except ValueError:
        return done.returncode, {}, done.stderr
    return done.returncode, {s["step"]: (s["verdict"], s["words"]) for s in told["steps"]}, told


def wants(name, step, words, *more):
    """The drill fails, at this step and no earlier one."""
    code, steps, told = drill(*more)
    failed = [s for s, (verdict, _) in steps.items() if verdict == "FAIL"]
    tap.ok(code == 1 and failed and failed[0] == step and words in steps[step][1] and told["failed_step"] == step,
           f"{name}: the step {step} fails ({steps.get(step, ('', ''))[1][-60:]!r})", code, steps, told)
    left = os.listdir(tap.path("scratch"))
    if step != "unchanged":
        tap.equal(left, [], f"{name}: and nothing is left")
        return
    copy = tap.path("scratch", left[0], "store") if left else ""
    done = tap.run("recover", "--from", copy, "--kit", store.kit, tap.path("saved"))
    tap.ok(done.returncode == 0, f"{name}: what was fetched before is kept, and is as good as it was", left, done.stderr)
    shutil.rmtree(tap.path("scratch", *left[:1]))


# --- the truth first: an attack that succeeds against an honest node would prove nothing

code, steps, told = drill()
tap.ok(code == 0 and told["passed"], "of an honest node it passes", code, steps)
tap.ok(T.attack.unharmed("a drill"), "and harms nothing")
tap.ok(tap.eventually(5, lambda: node.alarms() == {"conflict": 2}), "the node has alarmed its operator of what was tried", node.alarms())
node.acknowledge()
node.stop()

# --- lies

liar = Liar(node, store.volume)


def refuse_all_but_reading(handler):
    """What an honest node says to whatever is no GET."""
    if handler.command == "GET":
        return False
    handler.refuse(409 if handler.command == "POST" else 405, "conflict")
    return True


def accept(method):
    def answer(handler):
        if handler.command == method:
            handler.receipt()
            return True
        return refuse_all_but_reading(handler)
    return answer


def flipped(at):
    def read(segment, begin, data):
        if begin <= at < begin + len(data):
            data = data[:at - begin] + bytes([data[at - begin] ^ 1]) + data[at - begin + 1:]
        return data
    return read


def busy(handler):
    if handler.command == "GET":
        return False
    handler.refuse(503, "busy")
    return True


class Forgets:
    """Refuses, and has done it all the same: what is read afterwards is other bytes."""

    def __init__(self):
        self.tried = False

    def answer(self, handler):
        self.tried = self.tried or handler.command == "POST"
        return refuse_all_but_reading(handler)

    def read(self, segment, begin, data):
        return flipped(T.before.offset + 50)(segment, begin, data) if self.tried else data


liar.lie = Lie(answer=refuse_all_but_reading)
code, steps, told = drill()
tap.ok(code == 0 and told["passed"], "the truth, told by the same process, passes", code, steps)



def only_older(segment, begin, data):
    return data[:max(0, T.before.offset - begin)]


forgets = Forgets()
middle = (T.before.offset + 320) // 2
LIES = {
    "an older state": (Lie(answer=refuse_all_but_reading, position=-2, read=only_older), "fresh", "older state"),
    "a damaged byte": (Lie(answer=refuse_all_but_reading, read=flipped(middle)), "fetch", "replica"),
    "a damaged byte of the end": (Lie(answer=refuse_all_but_reading, read=flipped(T.last.offset - 10)), "fetch", "replica"),
    "nothing": (Lie(answer=refuse_all_but_reading, read=lambda s, at, d: b""), "fetch", "gives nothing"),
    "another's receipt": (Lie(answer=refuse_all_but_reading, receipt=lambda r: {**r, "volume": "ab" * 16}), "reach", "another volume"),
    "a DELETE that is accepted": (Lie(answer=accept("DELETE")), "delete", "ACCEPTED"),
    "a PUT that is accepted": (Lie(answer=accept("PUT")), "overwrite", "ACCEPTED"),
    "other bytes that are accepted": (Lie(answer=accept("POST")), "overwrite", "ACCEPTED"),
    "what was refused, and done": (Lie(answer=forgets.answer, read=forgets.read), "unchanged", "other bytes"),
}
for name, (lie, step, words) in LIES.items():
    liar.lie = lie
    wants(name, step, words)
liar.lie = Lie(answer=busy)
wants("who will not say", "delete", "not refused")
liar.close()
last = store.status()["last_drill"]
tap.ok(last["failed_step"] == "delete" and not last["passed"], "and the store knows of the last", last)
tap.done_testing()
