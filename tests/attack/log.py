# SPDX-License-Identifier: MIT
"""The log as docs/FORMAT.md has it, read and forged: whoever has the keys of a store can write any of this."""

import hashlib
import os
import struct
from dataclasses import dataclass, field, replace

from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_encrypt as seal
from nacl.signing import SigningKey

HEADER_BYTES, CERT_BYTES, FRAME_HEADER_BYTES, COMMIT_BYTES = 320, 208, 40, 136
DATA, META, COMMIT, TABLE = 1, 2, 3, 4
SEALS = 1


def h(domain, *parts, size=32):
    """H of §1; the domain is a text, or None."""
    state = hashlib.blake2b(digest_size=size)
    if domain is not None:
        state.update(domain.encode() + b"\0")
    for part in parts:
        state.update(part)
    return state.digest()


def derive(parent, context, number, size):
    """crypto_kdf_derive_from_key (§4.1)."""
    return hashlib.blake2b(key=parent, digest_size=size, salt=number.to_bytes(16, "little"),
                           person=context + bytes(8)).digest()


def sign(key, domain, *parts):
    return key.sign(domain.encode() + b"\0" + b"".join(parts)).signature


@dataclass
class Keys:
    """Everything that a store keeps secret, and so everything that root on the primary can steal."""
    volume_id: bytes
    volume_key: bytes
    writer: SigningKey
    epoch: int

    @classmethod
    def steal(cls, store):
        def read(name):
            with open(os.path.join(store, "keys", name), "rb") as f:
                return f.read()
        volume, writer = read("volume.key"), read("writer.key")
        return cls(volume[16:32], volume[32:64], SigningKey(writer[32:64]),
                   int.from_bytes(writer[12:16], "little"))

    @property
    def public(self):
        return bytes(self.writer.verify_key)

    @property
    def frame_key(self):
        return derive(self.volume_key, b"HFVOLK01", 1, 32)


@dataclass
class Point:
    """Where a log ends, and everything that what follows has to fit."""
    segment: int
    offset: int
    commit: int = 0
    tid: int = 0
    time_ns: int = 0
    epoch: int = 1
    sealed: bool = False
    chain: bytes = bytes(32)
    running: bytes = bytes(32)  # chain value to go on from: behind a header it is not `chain`


@dataclass
class Segment:
    """The verified part of a segment file: raw bytes, and the point behind each group."""
    raw: bytes
    points: list = field(default_factory=list)  # the first is the one behind the header

    @classmethod
    def read(cls, name):
        with open(name, "rb") as f:
            return cls.parse(f.read())

    @classmethod
    def parse(cls, raw):
        number, epoch, tid, time_ns, commit = struct.unpack_from("<IIQQQ", raw, 32)
        at = HEADER_BYTES
        points = [Point(number, at, commit, tid, time_ns, epoch, False, raw[64:96],
                        h("holdfast segment", raw[:HEADER_BYTES]))]
        while raw[at:at + 4] == b"HFr1":
            body_len = struct.unpack_from("<I", raw, at + 8)[0]
            if raw[at + 4] == COMMIT:
                n, tid, time_ns, epoch, flags = struct.unpack_from("<QQQII", raw, at + FRAME_HEADER_BYTES)
                chain = raw[at + FRAME_HEADER_BYTES + 40:at + FRAME_HEADER_BYTES + 72]
                points.append(Point(number, at + FRAME_HEADER_BYTES + COMMIT_BYTES, n, tid, time_ns, epoch,
                                    bool(flags & SEALS), chain, chain))
            at += FRAME_HEADER_BYTES + body_len
        return cls(raw[:points[-1].offset], points)

    @property
    def end(self):
        return self.points[-1]

    @property
    def cert(self):
        return self.raw[96:304]

    def group(self, i):
        """The bytes of a group, from 0; a negative i counts from the end."""
        i = i % (len(self.points) - 1)
        return self.raw[self.points[i].offset:self.points[i + 1].offset]


def segments(folder):
    """All segments of a log that have anything committed, or a header that is one."""
    found = []
    for name in sorted(n for n in os.listdir(folder) if n.endswith(".seg")):
        with open(os.path.join(folder, name), "rb") as f:
            raw = f.read()
        if raw[:8] == b"HFSEGMT1":
            found.append(Segment.parse(raw))
    return found


# --- forging

def frame(kind, body, flags=0, nonce=None):
    return struct.pack("<4sBBHII", b"HFr1", kind, flags, 0, len(body), 0) + (nonce or bytes(24)) + body


def sealed_frame(keys, kind, point, offset, plain):
    """A frame that opens at its place: `offset` counts from the point."""
    nonce = os.urandom(24)
    head = frame(kind, bytes(len(plain) + 16), nonce=nonce)[:FRAME_HEADER_BYTES]
    ad = (b"holdfast frame\0" + keys.volume_id + struct.pack("<II", point.segment, point.offset + offset) + head)
    return head + seal(plain, ad, nonce, keys.frame_key)


def commit_frame(keys, point, inside, **change):
    """A commit of these frames behind this point, right in everything that is not changed:
    number, tid, time_ns, epoch, flags, frames, table, chain, signature, header."""
    body_fields = {"number": point.commit + 1, "tid": point.tid, "time_ns": point.time_ns, "epoch": point.epoch,
                   "flags": 0, "frames": len(inside), "table": 0}
    body_fields.update((k, v) for k, v in change.items() if k in body_fields)
    fixed = struct.pack("<QQQIIII", *body_fields.values())
    header = change.get("header", frame(COMMIT, bytes(COMMIT_BYTES))[:FRAME_HEADER_BYTES])
    chain = change.get("chain") or h("holdfast commit", point.running, *(h(None, f) for f in inside), header, fixed)
    offset = point.offset + sum(map(len, inside))
    signature = change.get("signature") or sign(keys.writer, "holdfast signed", keys.volume_id,
                                                struct.pack("<II", point.segment, offset), fixed, chain)
    return header + fixed + chain + signature


def group(keys, point, inside=(), **change):
    """Frames, and the commit behind them."""
    return b"".join(inside) + commit_frame(keys, point, list(inside), **change)


def behind(point, raw):
    """The point behind a group that follows this one."""
    body = raw[-COMMIT_BYTES:]
    n, tid, time_ns, epoch, flags = struct.unpack_from("<QQQII", body)
    return Point(point.segment, point.offset + len(raw), n, tid, time_ns, epoch, bool(flags & SEALS), body[40:72],
                 body[40:72])


def certificate(owner, writer_public, volume_id, epoch, first_segment, chain, *, owner_public=None, version=1,
                floor=1, created_ns=0):
    """An epoch certificate signed by whatever key is at hand."""
    fixed = (b"HFEPOCH1" + struct.pack("<HHI", version, floor, epoch) + volume_id
             + (owner_public or bytes(owner.verify_key)) + writer_public
             + struct.pack("<QII", created_ns, first_segment, 0) + chain)
    return fixed + sign(owner, "holdfast epoch", fixed)


def segment_header(volume_id, point, number, epoch, cert, *, version=1, flags=0):
    fixed = (b"HFSEGMT1" + struct.pack("<HHI", version, flags, HEADER_BYTES) + volume_id
             + struct.pack("<IIQQQ", number, epoch, point.tid, point.time_ns, point.commit) + point.chain + cert)
    return fixed + h(None, fixed, size=16)


def after_header(raw):
    return Segment.parse(raw).points[0]


def moved(point, **change):
    return replace(point, **change)


def prune_list(owner, volume_id, node, point, pruned, *, owner_public=None, version=1, claimed=None):
    """A prune list (§15) signed by whatever key is at hand; pruned: segment to (chain, ranges)."""
    body = b"".join(struct.pack("<II", number, len(ranges)) + chain + b"".join(struct.pack("<II", *r) for r in ranges)
                    for number, (chain, ranges) in pruned.items())
    fixed = (b"HFPRUNE1" + struct.pack("<HHI", version, 0, 192 + len(body) + 64) + volume_id
             + (owner_public or bytes(owner.verify_key)) + node
             + struct.pack("<IIIIQQ", point.epoch, len(pruned) if claimed is None else claimed, point.segment,
                           point.offset, point.commit, point.tid)
             + point.chain + struct.pack("<QQQQ", point.tid, point.time_ns, point.time_ns, 0) + body)
    return fixed + sign(owner, "holdfast prune", h("holdfast prune list", fixed))


def owner_of(kit):
    """The owner key, which only the kit has (§4.2)."""
    with open(kit, encoding="utf-8") as f:
        line = next(line for line in f if line.startswith("HF1-"))
    number = 0
    digits = [c for c in line[4:] if c.isalnum()]
    for c in digits:
        number = number << 5 | "0123456789ABCDEFGHJKMNPQRSTVWXYZ".index(c)
    raw = number.to_bytes(len(digits) * 5 // 8, "big")
    return SigningKey(derive(raw[1:33], b"HFSEED01", 2, 32))
