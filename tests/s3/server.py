#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""An S3 server for tests, in memory, that misbehaves when it is told to.

    server.py PORTFILE [PEM]    listens on 127.0.0.1, writes its port to PORTFILE, runs until it is killed. PEM: a key
                                and its certificate, and TLS is spoken

Users: OWNER / ownersecret may do everything, WRITER / writersecret may put, get and list. Every request must bear
a good AWS Signature Version 4, worked out here from the specification and not by the library under test, and a body
that is its x-amz-content-sha256. One bucket is there from the start: `vault`, in the path
or before the host's name.

POST /_behave with name=value lines changes what it does (values are numbers; a count is used up by requests):

    lock=1           the bucket has Object Lock with a default retention of `days`, COMPLIANCE
    versions=1       versions are kept
    first_wins=1     If-None-Match is honoured, with 412
    may_list=1       the writer may list; 0: nor is he told what is not there (403)
    may_delete=0     the writer may delete, versions too when they are not locked
    locks_hold=1     0: a locked version can be deleted all the same
    md5_etags=1      0: ETags are not the MD5 of the body
    check_md5=1      0: Content-MD5 is not looked at
    page=1000        entries on a page of a list
    busy=0           so many requests are answered 503 SlowDown
    busy_deletes=0   so many deletes are answered 429 SlowDown
    mute_puts=0      so many puts are done, and the connection closed without an answer
    spoil_puts=0     so many puts keep other bytes than they were given
    cut_gets=0       so many bodies end too early, and the connection with them
    short_gets=0     so many bodies are cut short, and said to be whole
    bad_ranges=0     so many ranged requests are answered with another part
    no_ranges=0      so many ranged requests are answered with everything
    expire=-1        after so many whole bodies nobody's credentials count any more (400 ExpiredToken); -1: never
    slow_ms=0        every answer comes so late
    endless=0        1: a list says that it goes on, and begins again
    forget=0         so many of the last keys of logs are left out of lists
    rot=1            a bit of each object of a log that is there now turns over

What is put with a key of the customer's own (x-amz-server-side-encryption-customer-algorithm) is not given to who has
none, and of an empty object there is no first byte to give (416), as real servers do it.

GET /_log gives the requests since it was asked last, one a line: status, user, method, target.
"""
import base64
import datetime
import hashlib
import hmac
import http.server
import os
import ssl
import sys
import threading
import time
import urllib.parse
from xml.sax.saxutils import escape

USERS = {"OWNER": "ownersecret", "WRITER": "writersecret"}
BUCKET = "vault"
DEFAULTS = {
    "lock": 1, "days": 30, "versions": 1, "first_wins": 1, "may_list": 1, "may_delete": 0, "locks_hold": 1,
    "md5_etags": 1, "check_md5": 1, "page": 1000, "busy": 0, "busy_deletes": 0, "mute_puts": 0, "spoil_puts": 0, "cut_gets": 0,
    "short_gets": 0, "bad_ranges": 0, "no_ranges": 0, "expire": -1, "slow_ms": 0, "endless": 0, "forget": 0,
}


class Version:
    def __init__(self, number, data, marker=False, until=0):
        self.id = "v%08d" % number
        self.data = data
        self.marker = marker
        self.until = until
        self.mode = "COMPLIANCE" if until else ""
        self.sealed = False


class State:
    def __init__(self):
        self.mutex = threading.Lock()
        self.set = dict(DEFAULTS)
        self.keys = {}
        self.count = 0
        self.log = []

    def use_up(self, name):
        with self.mutex:
            if self.set[name] <= 0:
                return False
            self.set[name] -= 1
            return True

    def rot(self):
        with self.mutex:
            for key, versions in self.keys.items():
                for v in versions if "/probe/" not in key else ():
                    middle = len(v.data) // 2
                    v.data = v.data[:middle] + bytes([v.data[middle] ^ 4]) + v.data[middle + 1:]

    def newest(self, key):
        versions = self.keys.get(key)
        return versions[-1] if versions and not versions[-1].marker else None

    def add(self, key, version):
        if self.set["versions"]:
            self.keys.setdefault(key, []).append(version)
        else:
            version.id = "null"
            self.keys[key] = [version]


STATE = State()


def stamp(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds_of(text):
    return datetime.datetime.strptime(text[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=datetime.timezone.utc).timestamp()


def sign(secret, day, region, text):
    key = ("AWS4" + secret).encode()
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


class Refusal(Exception):
    def __init__(self, status, code):
        super().__init__(code)
        self.status = status
        self.code = code


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    user = "-"

    def log_message(self, *args):
        pass

    # --- answers

    def answer(self, status, body=b"", headers=(), say_length=None):
        with STATE.mutex:
            STATE.log.append("%d %s %s %s" % (status, self.user, self.command, self.path))
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body) if say_length is None else say_length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, refusal):
        body = "<?xml version='1.0'?><Error><Code>%s</Code><Message>no</Message></Error>" % refusal.code
        self.answer(refusal.status, body.encode(), [("Content-Type", "application/xml")])

    def hang_up(self):
        self.close_connection = True
        self.wfile.flush()
        self.connection.close()

    # --- who asks

    def check_signature(self, body):
        auth = self.headers.get("Authorization", "")
        if not auth.startswith("AWS4-HMAC-SHA256 "):
            raise Refusal(403, "AccessDenied")
        fields = dict(part.strip().split("=", 1) for part in auth[17:].split(","))
        access, day, region, service, _ = fields["Credential"].split("/")
        if access not in USERS:
            raise Refusal(403, "InvalidAccessKeyId")
        payload = self.headers.get("x-amz-content-sha256")
        if payload != hashlib.sha256(body).hexdigest():
            raise Refusal(400, "XAmzContentSHA256Mismatch")
        names = fields["SignedHeaders"].split(";")
        for name in self.headers:
            low = name.lower()
            if (low.startswith("x-amz-") or low in ("host", "content-md5")) and low not in names:
                raise Refusal(403, "SignatureDoesNotMatch")
        path, _, query = self.path.partition("?")
        pairs = sorted(pair if "=" in pair else pair + "=" for pair in query.split("&") if pair)
        canonical = "\n".join([
            self.command, path, "&".join(pairs),
            "".join("%s:%s\n" % (n, " ".join(self.headers.get(n, "").split())) for n in names), ";".join(names), payload])
        date = self.headers.get("x-amz-date", "")
        text = "\n".join(["AWS4-HMAC-SHA256", date, "/".join((day, region, service, "aws4_request")),
                          hashlib.sha256(canonical.encode()).hexdigest()])
        if service != "s3" or not hmac.compare_digest(sign(USERS[access], day, region, text), fields["Signature"]):
            raise Refusal(403, "SignatureDoesNotMatch")
        self.user = access

    # --- one request

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.user = "-"
        if self.path == "/_behave":
            for line in body.decode().split():
                name, value = line.split("=")
                if name == "rot":
                    STATE.rot()
                else:
                    STATE.set[name] = int(value)
            return self.answer(200)
        if self.path == "/_log":
            with STATE.mutex:
                lines, STATE.log = STATE.log, []
            self.answer(200, "".join(line + "\n" for line in lines).encode())
            with STATE.mutex:
                STATE.log = []
            return None
        time.sleep(STATE.set["slow_ms"] / 1000)
        try:
            self.check_signature(body)
            if STATE.set["expire"] == 0:
                raise Refusal(400, "ExpiredToken")
            if STATE.use_up("busy"):
                raise Refusal(503, "SlowDown")
            path, _, query = self.path.partition("?")
            if self.headers.get("Host", "").startswith(BUCKET + "."):
                bucket, key = BUCKET, path[1:]
            else:
                bucket, _, key = path[1:].partition("/")
            if bucket != BUCKET:
                raise Refusal(404, "NoSuchBucket")
            asked = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
            getattr(self, "do_key" if key else "do_bucket")(urllib.parse.unquote(key), asked, body)
        except Refusal as refusal:
            self.refuse(refusal)
        return None

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_any

    # --- the bucket

    def do_bucket(self, _, asked, body):
        owner = self.user == "OWNER"
        if self.command != "GET":
            raise Refusal(405, "MethodNotAllowed")
        if "object-lock" in asked:
            if not owner:
                raise Refusal(403, "AccessDenied")
            if not STATE.set["lock"]:
                raise Refusal(404, "ObjectLockConfigurationNotFoundError")
            return self.answer(200, b"<ObjectLockConfiguration><Rule><DefaultRetention><Mode>COMPLIANCE</Mode><Days>%d</Days>"
                                    b"</DefaultRetention></Rule></ObjectLockConfiguration>" % STATE.set["days"])
        if "versions" in asked:
            if not owner:
                raise Refusal(403, "AccessDenied")
            return self.list_versions(asked)
        if not owner and not STATE.set["may_list"]:
            raise Refusal(403, "AccessDenied")
        return self.list_objects(asked)

    def keys_with(self, prefix):
        keys = sorted(k for k in STATE.keys if k.startswith(prefix))
        of_logs = [k for k in keys if "/probe/" not in k]
        forgotten = of_logs[max(0, len(of_logs) - STATE.set["forget"]):]
        return [k for k in keys if k not in forgotten]

    def list_objects(self, asked):
        with STATE.mutex:
            keys = [k for k in self.keys_with(asked.get("prefix", "")) if STATE.newest(k)]
            after = asked.get("continuation-token", "")
            left = [k for k in keys if k > after]
            page = left[:min(STATE.set["page"], int(asked.get("max-keys", 1000)))]
            more = len(left) > len(page)
            rows = "".join("<Contents><Key>%s</Key><Size>%d</Size></Contents>" %
                           (urllib.parse.quote(k), len(STATE.newest(k).data)) for k in page)
        token = page[-1] if more else ""
        if STATE.set["endless"]:
            more, token = True, keys[0] if keys else "x"
        self.answer(200, ("<?xml version='1.0'?><ListBucketResult><IsTruncated>%s</IsTruncated>%s%s</ListBucketResult>" % (
            "true" if more else "false", rows,
            "<NextContinuationToken>%s</NextContinuationToken>" % escape(token) if more else "")).encode())

    def list_versions(self, asked):
        with STATE.mutex:
            rows = []
            for key in self.keys_with(asked.get("prefix", "")):
                for version in reversed(STATE.keys[key]):
                    rows.append((key, version, version is STATE.keys[key][-1]))
            mark = (asked.get("key-marker", ""), asked.get("version-id-marker", ""))
            if mark[0]:
                ids = [(k, v.id) for k, v, _ in rows]
                start = ids.index(mark) + 1 if mark in ids else len([k for k, _, _ in rows if k <= mark[0]])
                rows = rows[start:]
            page = rows[:STATE.set["page"]]
            if STATE.set["endless"]:
                page = [(k, v, False) for k in self.keys_with(asked.get("prefix", ""))[:1] for v in STATE.keys[k][:1]]
        more = len(rows) > len(page)
        text = []
        for key, version, latest in page:
            name = "DeleteMarker" if version.marker else "Version"
            text.append("<%s><Key>%s</Key><VersionId>%s</VersionId><IsLatest>%s</IsLatest><Size>%d</Size></%s>" % (
                name, urllib.parse.quote(key, safe=""), version.id, "true" if latest else "false", len(version.data), name))
        if more or STATE.set["endless"]:
            key, version, _ = page[-1]
            text.append("<NextKeyMarker>%s</NextKeyMarker><NextVersionIdMarker>%s</NextVersionIdMarker>" % (
                urllib.parse.quote(key, safe=""), version.id))
        self.answer(200, ("<?xml version='1.0'?><ListVersionsResult><IsTruncated>%s</IsTruncated>%s</ListVersionsResult>" % (
            "true" if more or STATE.set["endless"] else "false", "".join(text))).encode())

    # --- objects

    def do_key(self, key, asked, body):
        if self.command in ("GET", "HEAD"):
            return self.get(key, asked)
        if self.command == "PUT":
            return self.retain(key, asked, body) if "retention" in asked else self.put(key, body)
        return self.delete(key, asked)

    def find(self, key, asked):
        with STATE.mutex:
            wanted = asked.get("versionId")
            version = STATE.newest(key)
            if wanted:
                version = next((v for v in STATE.keys.get(key, []) if v.id == wanted and not v.marker), None)
        if not version and self.user != "OWNER" and not STATE.set["may_list"]:
            raise Refusal(403, "AccessDenied")
        if not version:
            raise Refusal(404, "NoSuchKey")
        return version

    def headers_of(self, version):
        md5 = hashlib.md5(version.data).hexdigest()
        headers = [("ETag", '"%s"' % (md5 if STATE.set["md5_etags"] else md5[::-1] + "-1"))]
        if version.id != "null":
            headers.append(("x-amz-version-id", version.id))
        if version.until:
            headers.append(("x-amz-object-lock-mode", version.mode))
            headers.append(("x-amz-object-lock-retain-until-date", stamp(version.until)))
        return headers

    def get(self, key, asked):
        version = self.find(key, asked)
        data, headers, status = version.data, self.headers_of(version), 200
        wanted = self.headers.get("Range")
        if version.sealed:
            raise Refusal(400, "InvalidRequest")
        if wanted and not data:
            raise Refusal(416, "InvalidRange")
        if self.command == "GET" and not wanted:
            STATE.use_up("expire")
        if wanted and self.command == "GET" and not STATE.use_up("no_ranges"):
            first, last = (int(n) for n in wanted[6:].split("-"))
            last = min(last, len(data) - 1)
            if STATE.use_up("bad_ranges"):
                first, last = first + 7, last + 7
            headers.append(("Content-Range", "bytes %d-%d/%d" % (first, last, len(data))))
            data, status = data[first:last + 1], 206
        if self.command == "GET" and STATE.use_up("cut_gets"):
            self.answer(status, data[:len(data) // 2], headers, say_length=len(data))
            return self.hang_up()
        if self.command == "GET" and STATE.use_up("short_gets"):
            data = data[:len(data) // 2]
        return self.answer(status, data, headers)

    def put(self, key, body):
        md5 = self.headers.get("Content-MD5")
        if md5 and STATE.set["check_md5"] and base64.b64decode(md5) != hashlib.md5(body).digest():
            raise Refusal(400, "BadDigest")
        until = 0
        if self.headers.get("x-amz-object-lock-mode"):
            if not STATE.set["lock"]:
                raise Refusal(400, "InvalidRequest")
            until = seconds_of(self.headers["x-amz-object-lock-retain-until-date"])
        elif STATE.set["lock"]:
            until = time.time() + STATE.set["days"] * 86400
        if until and not md5:
            raise Refusal(400, "InvalidRequest")
        spoil = STATE.use_up("spoil_puts")
        with STATE.mutex:
            if self.headers.get("If-None-Match") == "*" and STATE.set["first_wins"] and STATE.newest(key):
                raise Refusal(412, "PreconditionFailed")
            STATE.count += 1
            version = Version(STATE.count, bytes(len(body)) if spoil else body, until=until)
            version.sealed = "x-amz-server-side-encryption-customer-algorithm" in self.headers
            STATE.add(key, version)
        if STATE.use_up("mute_puts"):
            return self.hang_up()
        return self.answer(200, b"", self.headers_of(version))

    def delete(self, key, asked):
        if STATE.use_up("busy_deletes"):
            raise Refusal(429, "SlowDown")
        if self.user != "OWNER" and not STATE.set["may_delete"]:
            raise Refusal(403, "AccessDenied")
        with STATE.mutex:
            wanted = asked.get("versionId")
            if wanted:
                for version in STATE.keys.get(key, []):
                    if version.id == wanted and version.until > time.time() and STATE.set["locks_hold"]:
                        raise Refusal(403, "AccessDenied")
                STATE.keys[key] = [v for v in STATE.keys.get(key, []) if v.id != wanted]
                if not STATE.keys[key]:
                    del STATE.keys[key]
            elif STATE.set["versions"]:
                STATE.count += 1
                STATE.add(key, Version(STATE.count, b"", marker=True))
            else:
                STATE.keys.pop(key, None)
        return self.answer(204)

    def retain(self, key, asked, body):
        if self.user != "OWNER":
            raise Refusal(403, "AccessDenied")
        version = self.find(key, asked)
        until = seconds_of(body.decode().split("<RetainUntilDate>")[1])
        if until < version.until:
            raise Refusal(403, "AccessDenied")
        version.until, version.mode = until, "COMPLIANCE"
        return self.answer(200)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        pass  # a client that went away


def main():
    server = Server(("127.0.0.1", 0), Handler)
    if len(sys.argv) > 2:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[2])
        server.socket = context.wrap_socket(server.socket, server_side=True)
    with open(sys.argv[1] + ".new", "w", encoding="ascii") as file:
        file.write("%d\n" % server.server_address[1])
    os.rename(sys.argv[1] + ".new", sys.argv[1])
    server.serve_forever()


main()
