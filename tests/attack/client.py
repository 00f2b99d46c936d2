# SPDX-License-Identifier: MIT
"""A client of a node that says anything: requests are made byte by byte over TLS (docs/PROTOCOL.md §2)."""

import base64
import hashlib
import json
import os
import socket
import ssl
import time
from dataclasses import dataclass, field

ANSWER_SECONDS = 40


def b64(data):
    return base64.b64encode(data).decode()


def b64url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def unb64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Place:
    """What an invitation says of a node."""
    host: str
    port: int
    name: str
    pin: str
    token: str

    @classmethod
    def of(cls, invitation):
        said = json.loads(unb64url(invitation.strip().split(":", 1)[1]))
        host, port = said["url"].removeprefix("https://").rsplit(":", 1)
        return cls(host, int(port), said["key"], said["pin"], said["token"])


@dataclass
class Answer:
    status: int = 0  # 0: the connection was closed without one; -1: nothing came, and it stayed open
    headers: dict = field(default_factory=dict)
    body: bytes = b""

    @property
    def json(self):
        try:
            return json.loads(self.body)
        except ValueError:
            return {}

    @property
    def code(self):
        return self.json.get("code", "") if self.status >= 300 else ""

    def __str__(self):
        return f"{self.status} {self.code} {self.body[:300]!r}"


class Connection:
    """TLS to a node whose certificate is not looked at."""

    def __init__(self, place, timeout=ANSWER_SECONDS):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.sock = context.wrap_socket(socket.create_connection((place.host, place.port), timeout))
        self.buffer = b""

    def send(self, raw):
        """All of it, or as much as the node takes before it hangs up: False then."""
        try:
            self.sock.sendall(raw)
        except OSError:
            return False
        return True

    def _more(self):
        try:
            data = self.sock.recv(65536)
        except TimeoutError:
            raise
        except OSError:
            data = b""
        self.buffer += data
        return bool(data)

    def answer(self, method="GET"):
        try:
            return self._answer(method)
        except TimeoutError:
            return Answer(-1)

    def _answer(self, method):
        while b"\r\n\r\n" not in self.buffer:
            if not self._more():
                return Answer()
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        got = Answer(int(lines[0].split()[1]))
        got.headers = {k.strip().lower(): v.strip() for k, v in (l.split(":", 1) for l in lines[1:])}
        if got.status == 100:
            return self._answer(method)
        length = 0 if method == "HEAD" else int(got.headers.get("content-length", 0))
        while len(self.buffer) < length:
            if not self._more():
                break
        got.body, self.buffer = self.buffer[:length], self.buffer[length:]
        return got

    def close(self):
        try:
            self.sock.close()
        except OSError:
            pass


@dataclass
class Request:
    """A request to be signed by a key. What is changed after `headers` was asked for is not in the signature."""
    place: Place
    key: object  # nacl SigningKey
    method: str
    target: str
    body: bytes | None = None
    created: int | None = None
    nonce: str | None = None
    node: str | None = None  # in the signature and the header
    token: str | None = None
    keyid: str | None = None
    extra: list = field(default_factory=list)

    def params(self):
        covered = ['"@method"', '"@path"', '"@query"', '"holdfast-node"']
        if self.body is not None:
            covered.append('"content-digest"')
        if self.token is not None:
            covered.append('"holdfast-invitation"')
        created = int(time.time()) if self.created is None else self.created
        nonce = self.nonce or os.urandom(16).hex()
        keyid = self.keyid or bytes(self.key.verify_key).hex()
        return f'({" ".join(covered)});created={created};nonce="{nonce}";keyid="{keyid}";alg="ed25519";tag="holdfast"'

    def headers(self):
        """Name and value of each, signed."""
        path, mark, query = self.target.partition("?")
        node = self.node or self.place.name
        params = self.params()
        lines = [f'"@method": {self.method}', f'"@path": {path}', f'"@query": {mark or "?"}{query}',
                 f'"holdfast-node": {node}']
        found = [("Host", f"{self.place.host}:{self.place.port}"), ("Holdfast-Node", node)]
        if self.body is not None:
            digest = f"sha-256=:{b64(hashlib.sha256(self.body).digest())}:"
            lines.append(f'"content-digest": {digest}')
            found += [("Content-Digest", digest), ("Content-Length", str(len(self.body)))]
        if self.token is not None:
            lines.append(f'"holdfast-invitation": {self.token}')
            found.append(("Holdfast-Invitation", self.token))
        lines.append(f'"@signature-params": {params}')
        signature = self.key.sign("\n".join(lines).encode()).signature
        return found + [("Signature-Input", f"holdfast={params}"),
                        ("Signature", f"holdfast=:{b64(signature)}:")] + self.extra

    def raw(self, headers=None):
        head = f"{self.method} {self.target} HTTP/1.1\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in headers or self.headers())
        return head.encode("latin-1") + b"\r\n" + (self.body or b"")

    def send(self):
        return send_raw(self.place, self.raw(), self.method)


def send_raw(place, raw, method="GET"):
    """The answer to these very bytes."""
    connection = Connection(place)
    connection.send(raw)
    got = connection.answer(method)
    connection.close()
    return got
