#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The thief wants history pruned: with lists of his own, with the owner's, by requests and with the node's own command."""

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import tap
from bench import Theft, has_all_moments
from log import moved, owner_of, prune_list
from nacl.signing import SigningKey

T = Theft()
node, store, keys, attack, segment = T.node, T.store, T.keys, T.attack, T.segment
owner_public = segment.cert[32:64]
owner = owner_of(store.kit)
tap.equal(bytes(owner.verify_key), owner_public, "the owner key comes from the kit")
here, elsewhere = bytes.fromhex(node.place.name), bytes.fromhex(T.other.place.name)
end = moved(T.last, segment=2, offset=320)
ALL = {1: (T.last.chain, [(320, segment.points[1].offset - 320)])}
PRUNES = f"{T.volume}/prunes"


def lists(to):
    """By name: the list, the status and code it is refused with, and words of the node's own command."""
    whole = prune_list(owner, store.id, to, end, ALL)
    changed = whole[:200] + bytes([whole[200] ^ 1]) + whole[201:]
    return {
        "signed by the writer in the owner's name":
            (prune_list(keys.writer, store.id, to, end, ALL, owner_public=owner_public),
             403, "bad_log_signature", "not the owner's"),
        "signed by an owner of the thief's own":
            (prune_list(SigningKey.generate(), store.id, to, end, ALL), 403, "bad_log_signature", "owner key"),
        "by the owner, but changed": (changed, 403, "bad_log_signature", "not the owner's"),
        "by the owner, of a later version":
            (prune_list(owner, store.id, to, end, ALL, version=2), 422, "not_verified", "version"),
        "by the owner, with segments that are not there":
            (prune_list(owner, store.id, to, end, ALL, claimed=2**32 - 1), 422, "not_verified", "prune list"),
        "cut short": (whole[:-1], 422, "not_verified", "prune list"),
        "that is noise": (b"HFPRUNE1" + os.urandom(300), 422, "not_verified", "prune list"),
    }


# --- by requests: whoever signs them

for name, (data, status, code, _) in lists(elsewhere).items():
    attack.expect(f"a list {name}", T.ask("POST", PRUNES, data), status, code)
mine = prune_list(owner, store.id, here, end, ALL)
attack.expect("the owner's own list for this node", T.ask("POST", PRUNES, mine), 403, "not_allowed")
attack.expect("the same, signed by the owner key", T.ask("POST", PRUNES, mine, key=owner), 403, "not_allowed")
for verb in ("DELETE", "PUT", "PATCH"):
    attack.expect(f"{verb} of prunes", T.ask(verb, PRUNES, mine), 405, "method")
    attack.expect(f"{verb} of a prune", T.ask(verb, f"{PRUNES}/1", mine), 405, "method")
attack.unharmed("asking for it")
got = T.ask("GET", PRUNES)
tap.ok(got.status == 200 and got.json == {"prunes": []}, "no prune is known", got)

# --- on the node, without the owner


def handed_in(name, data, words):
    with open(tap.path("list"), "wb") as f:
        f.write(data)
    tap.refused(f"handed in, a list {name}", ["holdfast: ", words], "node", "prune", node.dir, tap.path("list"))


for name, (data, _, _, words) in lists(here).items():
    handed_in(name, data, words)
handed_in("for another node", prune_list(owner, store.id, elsewhere, end, ALL), "another node")
handed_in("of the owner's, resting on what is not here", prune_list(owner, store.id, here, end, ALL),
          "does not have commit")
attack.unharmed("handing it in")

# --- a list for another node is known, and does nothing here

known = T.ask("POST", PRUNES, prune_list(owner, store.id, elsewhere, end, ALL))
tap.ok(known.status == 200, "a list of another node's is known", known)
done = T.ask("GET", f"{T.volume}/log/1")
tap.ok(done.body == segment.raw, "and takes nothing from what is here", done.status)
has_all_moments("after all that", node, store)
tap.done_testing()
