# SPDX-License-Identifier: MIT
"""
A node that lies: it has the keys of a true one, as its provider has, and its volume's bytes, and answers with what it
is told to.
"""

import http.server
import json
import os
import re
import ssl
import threading
import time

from client import b64
from log import segments, sign
from nacl.signing import SigningKey


class Lie:
    """What is changed of the truth. Each may be left as it is."""

    def __init__(self, receipt=None, signer=None, read=None, answer=None, position=None):
        self.receipt = receipt    # of a dict: the receipt's fields
        self.signer = signer      # a SigningKey instead of the node's
        self.read = read          # of (segment, from, bytes): the bytes instead
        self.answer = answer      # of a handler: answers everything itself; False: it did not
        self.position = position  # how many groups the log has; None: all


def point_fields(point, epoch):
    return {"segment": point.segment, "offset": point.offset, "commit": str(point.commit), "tid": str(point.tid),
            "time_ns": str(point.time_ns), "epoch": point.epoch, "sealed": point.sealed, "chain": point.chain.hex(),
            "enrolled_epoch": epoch, "node_time_ns": str(time.time_ns())}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 20

    def log_message(self, *args):
        pass

    def say(self, status, body, headers=(), kind="application/json"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, status, code):
        self.say(status, json.dumps({"error": "no", "code": code}).encode())

    def receipt(self):
        liar = self.server.liar
        nonce = re.search('nonce="([0-9a-f]{32})"', self.headers["Signature-Input"])[1]
        fields = {"version": 1, "node": liar.name, "volume": liar.volume, "nonce": nonce,
                  **point_fields(liar.point(), liar.epoch)}
        if liar.lie.receipt:
            fields = liar.lie.receipt(fields)
        text = json.dumps(fields, separators=(",", ":")).encode()
        signature = sign(liar.lie.signer or liar.key, "holdfast receipt", text)
        self.say(200, text, [("Holdfast-Receipt", b64(signature))])

    def read(self, segment):
        liar = self.server.liar
        found = next((s for s in liar.log if s.points[0].segment == segment), None)
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if not found or not wanted:
            return self.refuse(404, "not_found")
        at, to = int(wanted[1]), int(wanted[2])
        data = found.raw[at:to + 1]
        if liar.lie.read:
            data = liar.lie.read(segment, at, data)
        if not data:
            return self.refuse(416, "gap")
        return self.say(206, data, [("Content-Range", f"bytes {at}-{at + len(data) - 1}/{len(found.raw)}")],
                        "application/octet-stream")

    def any(self):
        liar = self.server.liar
        try:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            liar.asked += 1
            if liar.lie.answer and liar.lie.answer(self) is not False:
                return
            segment = re.fullmatch(r"/v1/volumes/[0-9a-f]{32}/log/(\d+)(\?.*)?", self.path)
            if self.command == "GET" and segment:
                self.read(int(segment[1]))
                return
            if self.command == "GET" and self.path.endswith("/prunes"):
                self.say(200, b'{"prunes":[]}')
                return
            if self.command == "PUT":
                liar.epoch = int.from_bytes(body[12:16], "little")
            self.receipt()  # an append as well: it says that it has it
        except OSError:
            self.close_connection = True

    do_GET = do_PUT = do_POST = do_DELETE = do_PATCH = any


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request, client_address):
        pass  # a client that hangs up is what is wanted


class Liar:
    """Stands where the node stood (which is stopped), until it is closed."""

    def __init__(self, node, volume, keys_of=None):
        keys = os.path.join((keys_of or node).dir, "keys")
        with open(os.path.join(node.dir, "keys", "receipt.key"), "rb") as f:
            self.key = SigningKey(f.read())
        self.name, self.volume, self.lie, self.asked, self.epoch = node.place.name, volume, Lie(), 0, 1
        self.followed = False  # a redirect
        self.log = segments(node.log_dir(volume))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(os.path.join(keys, "tls.pem"), os.path.join(keys, "tls.key"))
        self.server = Server((node.place.host, node.place.port), Handler, bind_and_activate=True)
        self.server.liar = self
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def point(self):
        last = self.log[-1]
        return last.points[self.lie.position] if self.lie.position is not None else last.end

    def close(self):
        self.server.shutdown()
        self.server.server_close()
