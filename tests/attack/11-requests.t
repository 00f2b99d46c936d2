#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Root on the primary signs requests: again, later, for others, in others' names; and reaches for an epoch of his."""

import base64
import os
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import log
import tap
from bench import Theft
from client import Place, b64, b64url, send_raw
from log import certificate, group, segment_header
from nacl.signing import SigningKey

T = Theft()
stranger, alien = T.stranger()
attack, keys, last, before, segment, node = T.attack, T.keys, T.last, T.before, T.segment, T.node


def raw_expect(name, request, raw, status, code):
    return attack.expect(name, send_raw(node.place, raw, request.method), status, code)


# --- replays

position = T.request("GET", T.volume, nonce=os.urandom(16).hex())
raw = position.raw()
raw_expect("a request is answered once", position, raw, 200, "")
raw_expect("the same request again", position, raw, 403, "replayed")
attack.expect("its nonce in another request", T.ask("GET", f"{T.volume}/log", nonce=position.nonce), 403, "replayed")
again = T.request("POST", f"{T.volume}/log/{before.segment}?offset={before.offset}", segment.group(-1))
raw = again.raw()
raw_expect("an append that was made is answered again", again, raw, 200, "")
raw_expect("but not replayed", again, raw, 403, "replayed")
for seconds in (-400, 400, -10**6):
    attack.expect(f"signed {seconds} seconds from now", T.ask("GET", T.volume, created=int(time.time()) + seconds), 401,
                  "clock")
for created, code in ((0, "clock"), (2**33, "clock"), (2**64 - 1, "unsigned"), (-5, "unsigned")):
    attack.expect(f"signed at {created}", T.ask("GET", T.volume, created=created), 401, code)
node.stop()
node.serve()
raw_expect("the append, replayed to a node that was started anew, changes nothing", again, raw, 200, "")
attack.unharmed("replays")

# --- for whom, and by whom

foreign = T.request("GET", T.volume, node=T.other.place.name)
attack.expect("signed for another node", foreign.send(), 401, "wrong_node")
renamed = [(k, node.place.name if k == "Holdfast-Node" else v) for k, v in foreign.headers()]
raw_expect("signed for another node, under this one's name", foreign, foreign.raw(renamed), 403, "bad_signature")
tap.ok("bad_signature" in node.alarms(), "which is an alarm, for the key is the volume's", node.alarms())


def with_bit(headers, bit):
    value = bytearray(base64.b64decode(dict(headers)["Signature"].split(":")[1]))
    value[bit // 8] ^= 1 << bit % 8
    return [(k, f"holdfast=:{b64(bytes(value))}:" if k == "Signature" else v) for k, v in headers]


position = T.request("GET", T.volume)
codes = {send_raw(node.place, position.raw(with_bit(position.headers(), bit))).code for bit in range(0, 512, 37)}
tap.equal(codes, {"bad_signature"}, "no bit of a signature can be another")
order = T.request("GET", T.volume)
swapped = [(k, v.replace('"@method" "@path"', '"@path" "@method"')) for k, v in order.headers()]
raw_expect("covered in another order", order, order.raw(swapped), 401, "unsigned")
fewer = [(k, v.replace(' "holdfast-node"', "")) for k, v in order.headers()]
raw_expect("without the node among what is covered", order, order.raw(fewer), 401, "unsigned")
bare = [h for h in order.headers() if not h[0].startswith("Signature")]
raw_expect("not signed", order, order.raw(bare), 401, "unsigned")
body = T.request("POST", f"{T.volume}/log/{last.segment}?offset={last.offset}", group(keys, last))
headers = body.headers()
body.body = group(keys, last, [log.frame(log.DATA, bytes(9))])
resized = [(k, str(len(body.body)) if k == "Content-Length" else v) for k, v in headers]
raw_expect("with another body than was signed", body, body.raw(resized), 400, "digest")
attack.expect("another volume's writer", T.ask("GET", T.volume, key=stranger.writer), 403, "not_allowed")
attack.expect("another volume's writer in this one's name",
              T.ask("GET", T.volume, key=stranger.writer, keyid=keys.public.hex()), 403, "bad_signature")
attack.expect("a key of nobody", T.append(last, group(keys, last), key=SigningKey.generate()), 403, "not_allowed")
attack.expect("the key of all zeros", T.ask("GET", T.volume, keyid="00" * 32), 403, "not_allowed")
attack.expect("a volume that is not here", T.ask("GET", "/v1/volumes/" + "0" * 32), 404, "unknown_volume")
attack.unharmed("signatures")

# --- an epoch of the thief's own

thief = SigningKey.generate()
owner = segment.cert[32:64]
token = Place.of(node.invite(T.store.volume)).token
attack.begin()
mine = certificate(keys.writer, bytes(thief.verify_key), T.store.id, 2, last.segment + 1, last.chain)
attack.expect("an epoch under another owner", T.ask("PUT", T.volume, mine, key=thief), 403, "bad_log_signature")
mine = certificate(keys.writer, bytes(thief.verify_key), T.store.id, 2, last.segment + 1, last.chain,
                   owner_public=owner)
attack.expect("an epoch signed by the writer in the owner's name", T.ask("PUT", T.volume, mine), 403,
              "bad_log_signature")
attack.expect("the same with an invitation", T.ask("PUT", T.volume, mine, key=thief, token=token), 403,
              "bad_log_signature")
attack.expect("a segment of that epoch",
              T.begin_segment(segment_header(T.store.id, last, last.segment + 1, 2, mine)), 403, "bad_log_signature")
attack.expect("the certificate with a higher epoch",
              T.ask("PUT", T.volume, segment.cert[:12] + b"\2" + segment.cert[13:]), 403, "bad_log_signature")
attack.expect("another volume's certificate", T.ask("PUT", T.volume, alien.cert, key=stranger.writer), 400,
              "bad_request")
attack.expect("a certificate cut short", T.ask("PUT", T.volume, segment.cert[:-1]), 400, "bad_request")
attack.expect("a certificate of a later version",
              T.ask("PUT", T.volume, segment.cert[:8] + b"\2\0" + segment.cert[10:]), 422, "unknown_version")
got = T.ask("PUT", T.volume, segment.cert)
tap.ok(got.status == 200 and got.json.get("enrolled_epoch") == 1, "the certificate that is here changes nothing", got)
attack.unharmed("epochs, and the invitation is not used up")

# --- invitations

me = SigningKey.generate()
my_id = log.h("holdfast volume", bytes(me.verify_key), size=16)
mine = certificate(me, bytes(thief.verify_key), my_id, 1, 1, bytes(32))
target = f"/v1/volumes/{my_id.hex()}"


def enrol(name, with_token):
    return attack.expect(f"a new volume with {name}", T.ask("PUT", target, mine, key=thief, token=with_token), 403,
                         "invitation")


enrol("no invitation", None)
enrol("one made up", b64url(os.urandom(32)))
enrol("one that is a path", "../../keys/receipt.key")
used = Place.of(node.invite())
enrolled = T.ask("PUT", target, mine, key=thief, token=used.token)
tap.ok(enrolled.status == 200, "one lets it in", enrolled)
attack.begin()
you = SigningKey.generate()
my_id = log.h("holdfast volume", bytes(you.verify_key), size=16)
mine = certificate(you, bytes(thief.verify_key), my_id, 1, 1, bytes(32))
target = f"/v1/volumes/{my_id.hex()}"
enrol("the one that was used", used.token)
enrol("one for another volume", token)
attack.expect("a volume whose id is not its owner's",
              T.ask("PUT", "/v1/volumes/" + "ab" * 16, certificate(you, bytes(thief.verify_key), bytes([0xab] * 16), 1,
                                                                  1, bytes(32)), key=thief), 403, "bad_log_signature")
attack.unharmed("invitations")
tap.done_testing()
