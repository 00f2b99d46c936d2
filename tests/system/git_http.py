#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Smart HTTP for tests: git http-backend behind a small CGI server, on loopback.

    git_http.py FOLDER PORT_FILE

serves the repositories below FOLDER, pushes too, until it is ended; the port it got is then in PORT_FILE.
"""
import http.server
import os
import subprocess
import sys
import threading
import urllib.parse

PIECE_BYTES = 1 << 16


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def body(self):
        """What the client sends, in pieces: of a length said before, or chunked."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while size := int(self.rfile.readline().split(b";")[0], 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return
        left = int(self.headers.get("Content-Length") or 0)
        while left > 0:
            piece = self.rfile.read(min(left, PIECE_BYTES))
            if not piece:
                return
            left -= len(piece)
            yield piece

    def environment(self):
        url = urllib.parse.urlsplit(self.path)
        env = dict(os.environ, GIT_PROJECT_ROOT=folder, GIT_HTTP_EXPORT_ALL="1", REMOTE_USER="tester",
                   REMOTE_ADDR=self.client_address[0], REQUEST_METHOD=self.command,
                   PATH_INFO=urllib.parse.unquote(url.path), QUERY_STRING=url.query,
                   CONTENT_TYPE=self.headers.get("Content-Type", ""))
        for name, variable in (("Content-Length", "CONTENT_LENGTH"), ("Git-Protocol", "GIT_PROTOCOL"),
                               ("Content-Encoding", "HTTP_CONTENT_ENCODING")):
            if self.headers.get(name):
                env[variable] = self.headers[name]
        return env

    def feed(self, pipe):
        try:
            for piece in self.body():
                pipe.write(piece)
            pipe.close()
        except (BrokenPipeError, ConnectionError, ValueError):
            pass

    def do_GET(self):
        backend = subprocess.Popen(["git", "http-backend"], env=self.environment(), stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE)
        feeder = threading.Thread(target=self.feed, args=(backend.stdin,))
        feeder.start()
        status, fields = "200 OK", []
        while line := backend.stdout.readline().decode().rstrip("\r\n"):
            name, value = line.split(":", 1)
            if name.lower() == "status":
                status = value.strip()
            else:
                fields.append((name, value.strip()))
        self.send_response(int(status.split()[0]))
        for name, value in fields:
            self.send_header(name, value)
        self.end_headers()  # HTTP/1.0: the end of the answer is the end of the connection
        while piece := backend.stdout.read(PIECE_BYTES):
            self.wfile.write(piece)
        feeder.join()
        backend.wait()

    do_POST = do_GET


folder, port_file = sys.argv[1:]
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
with open(port_file + ".new", "w") as f:
    print(server.server_address[1], file=f)
os.rename(port_file + ".new", port_file)
server.serve_forever()
