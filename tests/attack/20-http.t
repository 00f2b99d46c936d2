#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Bytes on the node's port that are no HTTP, or HTTP that two readers read differently. Most are rightly signed."""

import os
import socket
import sys
import threading

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import tap
from bench import Theft
from client import Connection, send_raw
from log import frame, group, DATA

T = Theft()
attack, keys, last, before, segment, node, place = T.attack, T.keys, T.last, T.before, T.segment, T.node, T.node.place
APPEND = f"{T.volume}/log/{last.segment}?offset={last.offset}"
forged = group(keys, last, [frame(DATA, os.urandom(100))])


def alive(name):
    got = T.ask("GET", T.volume)
    return tap.ok(got.status == 200 and got.json.get("offset") == last.offset, f"{name}: and the node goes on", got)


def refused(name, raw, statuses, method="GET"):
    """Answered with one of these, or by hanging up (0)."""
    got = send_raw(place, raw, method)
    return tap.ok(got.status in statuses, f"{name}: {got.status or 'hung up'} {got.code}", got)


def append_with(changes, body=forged, method="POST", target=APPEND):
    """A signed append whose headers are changed afterwards: name to value, to None (left out), or to a list."""
    q = T.request(method, target, body)
    headers = []
    for name, value in q.headers():
        new = changes.get(name, value)
        headers += [(name, v) for v in (new if isinstance(new, list) else [new]) if v is not None]
    headers += [(n, v) for n, v in changes.items() if n not in dict(headers) and isinstance(v, str)]
    return q.raw(headers)


# --- how long is the body?

size = str(len(forged))
refused("two different lengths", append_with({"Content-Length": [size, "5"]}), (0, 400))
refused("two different lengths, the other way round", append_with({"Content-Length": ["5", size]}), (0, 400))
for twice in ("Signature", "Signature-Input", "Content-Digest", "Holdfast-Node"):
    q = T.request("POST", APPEND, forged)
    refused(f"two headers {twice}", q.raw(q.headers() + [(twice, dict(q.headers())[twice])]), (0, 400))
refused("lengths in a list", append_with({"Content-Length": f"{size}, {size}"}), (0, 400, 413))
refused("a length and chunks", append_with({"Transfer-Encoding": "chunked"}), (0, 400, 411))
refused("chunks behind a blank", append_with({"Transfer-Encoding": "\tchunked"}), (0, 400, 411))
refused("chunks and something else", append_with({"Transfer-Encoding": "identity, chunked"}), (0, 400, 411, 501))
refused("chunks alone", append_with({"Content-Length": None, "Transfer-Encoding": "chunked"}), (0, 400, 411))
refused("no length", append_with({"Content-Length": None}), (0, 400, 411))
for length in ("-1", "+5", "0x10", "1e3", " ", "99999999999999999999999", "18446744073709551616", str(97 << 20)):
    refused(f"a length of {length!r}", append_with({"Content-Length": length}), (0, 400, 411, 413))
smuggled = T.request("POST", APPEND, forged).raw()
refused("a read with a request as its body", T.request("GET", T.volume, extra=[("Content-Length", str(len(smuggled)))]
                                                       ).raw() + smuggled, (0, 400))
attack.unharmed("lengths")
alive("lengths")

# --- heads

position = T.request("GET", T.volume)
line, rest = position.raw().split(b"\r\n", 1)
refused("a header that is folded", line + b"\r\nX-Folded: a\r\n b\r\n" + rest, (0, 200, 400))
refused("a signature that is folded", line + b"\r\n" + rest.replace(b"Signature: ", b"Signature:\r\n "),
        (0, 200, 400, 401, 403))
refused("a blank before the colon", line + b"\r\n" + rest.replace(b"Holdfast-Node:", b"Holdfast-Node :"), (0, 400, 401))
refused("a NUL in a header", line + b"\r\nX: a\0b\r\n" + rest, (0, 400, 403))
refused("a NUL in the target", line.replace(b"/v1", b"/v1\0") + b"\r\n" + rest, (0, 400, 404))
refused("a NUL in the method", b"G\0ET" + line[3:] + b"\r\n" + rest, (0, 400, 405))
refused("no header at all", line + b"\r\n\r\n", (0, 400, 401))
refused("headers of 200 KiB", line + b"\r\nX: " + b"x" * 200000 + b"\r\n" + rest, (0, 413, 431, 400))
refused("20,000 headers", line + b"\r\n" + b"X: y\r\n" * 20000 + rest, (0, 413, 431, 400))
refused("a target of 100 KiB", b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n" + rest, (0, 400, 414, 431))
refused("a method of 10 KiB", b"A" * 10000 + line[3:] + b"\r\n" + rest, (0, 400, 405))
refused("a version of the future", line.replace(b"HTTP/1.1", b"HTTP/9.9") + b"\r\n" + rest, (0, 400, 505))
refused("no version", line.replace(b" HTTP/1.1", b"") + b"\r\n" + rest, (0, 400, 505))
refused("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (0, 400, 404, 405, 505))
refused("another protocol", b"SSH-2.0-OpenSSH_9.2\r\n" + os.urandom(500) + b"\r\n\r\n", (0, 400))
refused("noise", os.urandom(4000) + b"\r\n\r\n", (0, 400))
connection = Connection(place)
connection.send(b"\r\n" * 5000)  # the beginning of a request, for all the node knows
connection.close()
attack.unharmed("heads")
alive("heads")

# --- targets

ID = T.store.volume
for target in ("//v1/volumes/" + ID, f"/v1/volumes/{ID}/", f"/v1/volumes/{ID.upper()}", f"/v1/volumes/{ID}/log/..",
               f"/v1/volumes/../volumes/{ID}", f"/v1/volumes/%{ord(ID[0]):02x}{ID[1:]}", f"/v1%2Fvolumes/{ID}",
               f"/v1/volumes/{ID}/log/1/../../../../keys/receipt.key", "/../../etc/passwd", "/keys/tls.key", "*",
               f"/v1/volumes/{ID}/log/%31", f"/v1/volumes/{ID}/log/1%00", f"/v1/volumes/{ID}/log/-1",
               f"/v1/volumes/{ID}/log/+1", f"/v1/volumes/{ID}/log/4294967297", f"/v1/volumes/{ID}/log/1/",
               f"/v1/volumes/{ID};x", f"/v1/volumes/{ID}/epoch-0000000001.cert", f"/v1/volumes/{ID}\\log\\1",
               f"https://{place.host}:{place.port}/v1/volumes/{ID}", f"http://other/v1/volumes/{ID}",
               f"/v1/volumes/{ID}x"):
    refused(f"the target {target.replace(ID, 'ID')}", T.request("GET", target).raw(), (0, 400, 404))
for query in ("?offset=1", "?from=-1", "?from=1&from=2", "?from=", "?from=01", "?from=99999999999", "??from=1",
              "?FROM=1"):
    refused(f"the list {query}", T.request("GET", f"{T.volume}/log{query}").raw(), (400,))
for query in ("?tid=1", "?commit=1&tid=1", "?tid=1&commit=", "?tid=18446744073709551616&commit=1",
              "?tid=1&commit=1&x=1"):
    refused(f"the position {query}", T.request("GET", T.volume + query).raw(), (400,))
for value in ("bytes=-5", "bytes=5-2", "bytes=0-1,3-4", "lines=0-1", "bytes=0x1-", "bytes=18446744073709551616-",
              "bytes=1- 2", "bytes=" + "9" * 300 + "-"):
    refused(f"the range {value[:30]}", T.request("GET", f"{T.volume}/log/1", extra=[("Range", value)]).raw(), (400, 416))
for offset in ("-1", "4294967296", "0x5", "", "1 ", "01"):
    raw = T.request("POST", f"{T.volume}/log/1?offset={offset}", forged).raw()
    refused(f"the offset {offset!r}", raw, (0, 400))
attack.unharmed("targets")
alive("targets")

# --- bodies that do not end, or not where they should

connection = Connection(place)
head, body = T.request("POST", APPEND, forged).raw().split(b"\r\n\r\n", 1)
connection.send(head + b"\r\n\r\n" + body[:50])
connection.close()
tap.ok(True, "a body that breaks off")
long = T.request("POST", APPEND, forged)
headers = [(k, str(96 << 20) if k == "Content-Length" else v) for k, v in long.headers()]
connection = Connection(place)
connection.send(long.raw(headers).split(b"\r\n\r\n")[0] + b"\r\n\r\n")
sent = 0
while sent < 96 << 20 and connection.send(bytes(4 << 20)):
    sent += 4 << 20
attack.expect("96 MiB that were not signed", connection.answer(), 400, "digest")
connection.close()
connection = Connection(place)
headers = [("Transfer-Encoding", "chunked") if k == "Content-Length" else (k, v) for k, v in long.headers()]
connection.send(long.raw(headers).split(b"\r\n\r\n")[0] + b"\r\n\r\n")
sent = 0
while sent < 200 << 20 and connection.send(b"100000\r\n" + bytes(1 << 20) + b"\r\n"):
    sent += 1 << 20
got = connection.answer()
connection.close()
tap.ok(got.status in (0, 411) and sent < 200 << 20, "chunks without end are hung up on", got, sent)
attack.unharmed("bodies")
alive("bodies")

# --- several requests on one connection

connection = Connection(place)
many = [T.request("GET", T.volume), T.request("GET", f"{T.volume}/log"), T.request("GET", T.volume),
        T.request("DELETE", T.volume), T.request("GET", T.volume)]
connection.send(b"".join(q.raw() for q in many))
statuses = [connection.answer().status for _ in many]
connection.close()
tap.equal(statuses, [200, 200, 200, 405, 0], "pipelined, each is judged by itself, until one is refused")
connection = Connection(place)
connection.send(append_with({"Content-Length": str(len(forged) - 10)}) + T.request("GET", T.volume).raw())
got = connection.answer()
tap.ok(got.status == 400 and got.code == "digest", "a body that ends before the end of the bytes that were signed", got)
got = connection.answer()
# Ten bytes of a signature in front of GET: no method, or, with a space among them, one to a path that there is not.
tap.ok(got.status in (0, 400, 404, 405), "and what is left of it is no request", got)
connection.close()
attack.unharmed("pipelining")

# --- many at once, and without TLS

open_ones = [socket.create_connection((place.host, place.port)) for _ in range(200)]
for s in open_ones:
    s.close()
tap.ok(True, "two hundred connections that say nothing")
with socket.create_connection((place.host, place.port), 10) as s:
    s.sendall(T.request("GET", T.volume).raw())
    try:
        plain = s.recv(4096)
    except OSError:
        plain = b""
tap.ok(b"HTTP/1.1 2" not in plain and b"receipt" not in plain.lower(), "nothing is answered without TLS", plain)
results = []


def hammer():
    for _ in range(10):
        results.append(T.append(before, segment.group(-1)).status)


threads = [threading.Thread(target=hammer) for _ in range(8)]
for t in threads:
    t.start()
for t in threads:
    t.join()
tap.equal(set(results), {200}, "eighty appends of the same bytes at once")
tap.ok(tap.eventually(20, lambda: T.ask("GET", T.volume).status == 200), "many at once: and the node goes on")
attack.unharmed("many at once")
tap.done_testing()
