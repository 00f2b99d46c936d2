#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The replica's provider, with the node's own keys, lies to the primary and to a recovery; others stand in between."""

import os
import shutil
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import tap
from bench import Node, Theft, has_all_moments, log_of, recovered
from client import b64url
from liar import Liar, Lie
from nacl.signing import SigningKey

MIB = 1 << 20
T = Theft()
node, other, store, last = T.node, T.other, T.store, T.last
REPLICA = f"{node.place.host}-{node.place.port}"

# --- reads

plain = [b"the first plan", b"the second plan", b"secret-name", b"plans.txt", b"moved.bin"]
found = []
for folder, _, names in os.walk(node.dir):
    for name in names:
        with open(os.path.join(folder, name), "rb") as f:
            data = f.read()
        found += [(name, word) for word in plain + [T.keys.volume_key, bytes(T.keys.writer)] if word in data]
tap.equal(found, [], "what the provider has are no contents, no names and no key")

# --- lies to the primary

node.stop()
liar = Liar(node, store.volume)


def huge(handler):
    handler.say(200, b'{"version":1,"x":"' + b"a" * (2 << 20) + b'"}', [("Holdfast-Receipt", "AAAA")])


def deep(handler):
    handler.say(200, b'{"a":' * 100000, [("Holdfast-Receipt", "AAAA")])


def endless(handler):
    handler.send_response(200)
    handler.end_headers()
    for _ in range(4000):
        handler.wfile.write(b" " * 65536)
    handler.close_connection = True


def redirect(handler):
    if handler.path.startswith("/elsewhere"):
        liar.followed = True
        return False
    handler.say(307, b"", [("Location", f"https://{node.place.host}:{node.place.port}/elsewhere{handler.path}")])
    return True


def header_flood(handler):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %s\r\n" % (i, b"y" * 1000) for i in range(2000))
                        + b"Content-Length: 0\r\n\r\n")
    handler.close_connection = True


def error_words(handler):
    handler.say(403, b'{"code":"not_allowed","error":"\\u001b[2J\\u0007 all is well\\nreplica: current"}')


def noise(handler):
    handler.wfile.write(os.urandom(5000))
    handler.close_connection = True


first = {}


def keep(receipt):
    first.update(receipt)


PRIMARY = {
    "a receipt under another key": (Lie(signer=SigningKey.generate()), "receipt key"),
    "a receipt for another volume": (Lie(receipt=lambda r: {**r, "volume": "ab" * 16}), "another volume"),
    "a receipt for another request": (Lie(receipt=lambda r: {**r, "nonce": keep(r) or "0" * 32}), "another request"),
    "the receipt of an earlier request": (Lie(receipt=lambda r: dict(first)), "another request"),
    "a receipt in another node's name": (Lie(receipt=lambda r: {**r, "node": "cd" * 32}), "form"),
    "a receipt for bytes that were never written":
        (Lie(receipt=lambda r: {**r, "offset": r["offset"] + 4096, "commit": "99", "tid": "9999"}), "more than this store"),
    "a receipt with another chain": (Lie(receipt=lambda r: {**r, "chain": "ef" * 32}), "another history"),
    "a receipt in the midst of a group":
        (Lie(receipt=lambda r: {**r, "offset": r["offset"] - 7}), "another history"),
    "a receipt of a later version": (Lie(receipt=lambda r: {**r, "version": 2}), "form"),
    "a receipt with numbers out of range": (Lie(receipt=lambda r: {**r, "segment": 2**40, "offset": -1}), "form"),
    "a receipt that is a list": (Lie(receipt=lambda r: [r]), "form"),
    "no receipt": (Lie(answer=lambda h: h.say(200, b"{}")), "receipt key"),
    "an answer of two megabytes": (Lie(answer=huge), "more than was asked"),
    "an answer without end": (Lie(answer=endless), "more than was asked"),
    "JSON of a hundred thousand levels": (Lie(answer=deep), "receipt key"),
    "two megabytes of headers": (Lie(answer=header_flood), ""),
    "a redirect": (Lie(answer=redirect), "307"),
    "an error with control characters": (Lie(answer=error_words), "refuses"),
    "noise": (Lie(answer=noise), ""),
    "nothing": (Lie(answer=lambda h: setattr(h, "close_connection", True)), ""),
}


def replica():
    return next(r for r in store.status()["replicas"] if r["name"] == REPLICA)


def told():
    r = replica()
    return r["state"] in ("refused", "unreachable") and r["error"]


store.mount()
tap.ok(tap.eventually(20, lambda: replica()["state"] == "current"), "the truth, told by the same process, is believed",
       replica())
tap.must("unmount", store.mnt, "--timeout", "0")
for name, (lie, words) in PRIMARY.items():
    liar.lie = lie
    store.mount()
    ok = tap.eventually(20, told)
    got = replica()
    tap.ok(ok and words in got["error"], f"{name}: is not believed ({got['error'][:60]!r})", got)
    tap.ok(int(got["acked_tid"]) <= last.tid, f"{name}: and acknowledges nothing", got)
    if "control" in name:
        tap.ok("\n" not in got["error"] and "\x1b" not in got["error"], "and no terminal sees them", got["error"])
    if "redirect" in name:
        tap.ok(not liar.followed, "and nobody follows it")
    tap.must("unmount", store.mnt, "--timeout", "0")
store.mount()
store.write("meanwhile.txt", b"whatever a replica says, the mount goes on\n")
store.note()
tap.ok(True, "the mount takes writes meanwhile")
sent = []


def gap(h):
    if h.command != "POST" or "/log" not in h.path:
        return False
    sent.append(h.path)
    return h.refuse(409, "gap")


liar.lie = Lie(answer=gap)
ok = tap.eventually(60, lambda: "takes nothing there" in replica()["error"])
tap.ok(ok, "who says where it ends and takes nothing there is not sent the same for ever without a pause", replica())
tap.ok(int(replica()["acked_tid"]) <= last.tid, "and acknowledges nothing", replica())
since, n = replica()["failing_since"], len(sent)
ok = tap.eventually(60, lambda: len(sent) > n + 1)
tap.ok(ok and since and replica()["failing_since"] == since, "and is failing for as long as it takes nothing", replica())
lengths = []


def cut_long(h):
    """As a node does, or whatever is in between, when a long request has not come through in time."""
    length = int(h.headers.get("Content-Length", 0))
    if h.command != "POST" or "/log" not in h.path:
        return False
    lengths.append(length)
    if length <= MIB:
        return False
    h.close_connection = True
    return True


for i in range(48):
    store.write(f"backlog{i}", os.urandom(MIB // 4))
liar.lie = Lie(answer=cut_long)
ok = tap.eventually(90, lambda: lengths and lengths[-1] <= MIB)
tap.ok(ok and lengths[0] > 4 * MIB, "what is cut off for being long is sent in shorter pieces", lengths)
tap.must("unmount", store.mnt, "--timeout", "0")

# --- in between, with another certificate

liar.close()
between = Node("between")
between.stop()
mitm = Liar(node, store.volume, keys_of=between)
store.mount()
tap.ok(tap.eventually(20, told) and "not the node that was pinned" in replica()["error"],
       "somebody in between is told by the pin", replica())
tap.equal(mitm.asked, 0, "and is told nothing")
tap.must("unmount", store.mnt, "--timeout", "0")
invitation = Node.invite(node, store.volume)
to, words = recovered("between1", node, store)
tap.ok(not to and "not the node that was pinned" in words, "by a recovery, too", words)
tap.equal(mitm.asked, 0, "which tells nothing either")
mitm.close()

# --- lies to a recovery

liar = Liar(node, store.volume)
size = len(T.segment.raw)


def flip(place):
    def change(_, at, data):
        if not at <= place < at + len(data):
            return data
        return data[:place - at] + bytes([data[place - at] ^ 1]) + data[place - at + 1:]
    return change


def commit_only(_, at, data):
    return data[:-1] if at + len(data) == size else data


RECOVERY = {
    "a flipped bit in the header": (Lie(read=flip(20)), "segment header"),
    "a flipped bit in the certificate": (Lie(read=flip(250)), "segment header"),
    "a flipped bit in a frame's header": (Lie(read=flip(320 + 8)), "frame"),
    "a flipped bit in a frame": (Lie(read=flip(320 + 60)), "not those it was made over"),
    "a flipped bit in the last commit's signature": (Lie(read=flip(size - 1)), "not signed by the writer"),
    "bytes that are missing at the end": (Lie(read=commit_only), "404"),
    "bytes that are missing in the midst": (Lie(read=lambda s, at, d: d[:5000] + d[5001:]), "frame"),
    "bytes that come twice": (Lie(read=lambda s, at, d: d[:320] + d), "frame"),
    "zeros": (Lie(read=lambda s, at, d: bytes(len(d))), "segment"),
    "noise": (Lie(read=lambda s, at, d: os.urandom(len(d))), "segment"),
    "nothing at all": (Lie(read=lambda s, at, d: b""), "gives nothing"),
    "more than was asked for": (Lie(read=lambda s, at, d: d + bytes(16 << 20)), "more than was asked for"),
    "the whole and not the part":
        (Lie(answer=lambda h: h.say(200, T.segment.raw) if "/log/" in h.path else False), "part of the log"),
    "an answer without end": (Lie(answer=lambda h: endless(h) if "/log/" in h.path else False), "more than was asked for"),
    "a redirect": (Lie(answer=lambda h: redirect(h) if "/log/" in h.path else False), "307"),
    "a position behind what it gives":
        (Lie(receipt=lambda r: {**r, "offset": r["offset"] + 300, "commit": "99"}), "404"),
    "a position of a segment far away": (Lie(receipt=lambda r: {**r, "segment": 4000000000}), "404"),
    "a receipt under another key": (Lie(signer=SigningKey.generate()), "receipt key"),
    "another chain at the end": (Lie(receipt=lambda r: {**r, "chain": "ef" * 32}), "was changed"),
    "nothing, though it knows the volume":
        (Lie(receipt=lambda r: {**r, "segment": 0, "offset": 0, "commit": "0", "tid": "0", "chain": "00" * 32}),
         "has nothing of it"),
}
to, words = recovered("truth", node, store)
tap.ok(to, "the truth, told by the same process, makes a store", words)


def unlucky(times, fail):
    """Fails so often, and is honest from then on."""
    left = [times]

    def answer(h):
        if left[0] == 0 or fail(h) is False:
            return False
        left[0] -= 1
        return True
    return Lie(answer=answer)


def hang_up(h):
    h.close_connection = True


def cut_off(h):
    """In the midst of a part of the log."""
    if "/log/" not in h.path:
        return False
    h.wfile.write(b"HTTP/1.1 206 Partial Content\r\nContent-Length: %d\r\n\r\n" % size + T.segment.raw[:size // 2])
    h.close_connection = True
    return True


for number, (name, fail) in enumerate({"is too busy": lambda h: h.refuse(503, "busy"),
                                       "hangs up": hang_up,
                                       "is lost in the midst": cut_off}.items()):
    liar.lie, liar.epoch = unlucky(5, fail), 1
    to, words = recovered(f"patient{number}", node, store)
    tap.ok(to, f"five times the other end {name}: a recovery asks again, and makes a store", words)
for number, (name, (lie, why)) in enumerate(RECOVERY.items()):
    liar.lie, liar.epoch = lie, 1
    to, words = recovered(f"lied{number}", node, store)
    made = os.path.exists(tap.path(f"lied{number}", "volume"))
    tap.ok(not to and words.startswith("holdfast: ") and why in words and not made,
           f"{name}: no store is made of it ({words.strip()[-60:]!r})", words)
tap.ok(not liar.followed, "no redirect was followed")
liar.close()

# --- the provider alters what is on its disk, or takes it away

name = os.path.join(node.log_dir(store.volume), "0000000001.seg")
shutil.copytree(node.dir, tap.path("whole"))
saved = tap.must("head", T.stolen).strip()


def put_back():
    shutil.rmtree(node.dir)
    shutil.copytree(tap.path("whole"), node.dir)


def found_out(what, why, folder, *args):
    """The node says so when it is started, or else the recovery does."""
    served = tap.run("serve", node.dir)
    words, to = served.stderr, None
    if served.returncode == 0:
        to, words = recovered(folder, node, store, *args)
        node.stop()
    tap.ok(not to and why in words, f"{what} is found: {words.strip()[-70:]!r}", words)
    put_back()


for place in (30, 330, size // 2, T.before.offset - 10):
    with open(name, "r+b") as f:
        f.seek(place)
        byte = f.read(1)
        f.seek(place)
        f.write(bytes([byte[0] ^ 16]))
    found_out(f"a byte altered at {place}", "checksum" if place == 30 else "valid commit follows", f"altered{place}")
with open(name, "r+b") as f:
    f.truncate(T.segment.points[1].offset - 1)
found_out("an older state, by a saved head,", "--accept-stale", "short", "--head", saved)
os.unlink(name)
found_out("a segment that is gone", "has nothing of it", "gone")

# --- and is itself again

node.serve()
store.mount()
tap.ok(store.caught_up(), "the true node gets what it lacks", store.status())
store.unmount()
T.attack.begin()
tap.equal(log_of(node, store)[-1].end, log_of(other, store)[-1].end, "both have the same")
node.stop()
shutil.rmtree(node.dir)  # the provider deletes everything
has_all_moments("the other provider", other, store)
tap.done_testing()
