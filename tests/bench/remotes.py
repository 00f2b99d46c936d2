# SPDX-License-Identifier: MIT
"""Other ends on this machine: a holdfast node, and an SSH server for those who come by SSH. Each is a child of
ours with a folder of its own, listens on loopback alone, and is ended by its process id."""

import base64
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path

from shell import run

SSHD = "/usr/sbin/sshd"
PRIVSEP = Path("/run/sshd")


def free_port():
    return int(run(Path(__file__).resolve().parent.parent / "free-port"))


def wait_for(process, ready, what, most_seconds=60):
    until = time.monotonic() + most_seconds
    while not ready():
        if process.poll() is not None:
            raise RuntimeError(f"{what} ended with {process.returncode}")
        if time.monotonic() > until:
            raise RuntimeError(f"{what} does not get ready")
        time.sleep(0.005)


def listens(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def end(process):
    if process and process.poll() is None:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Node:
    """`holdfast serve`, with a fixed port, so that it can go away and come back."""

    def __init__(self, command, base):
        self.command, self.dir = command, base
        self.process = None
        self.port = free_port()
        shutil.rmtree(base, ignore_errors=True)
        base.parent.mkdir(parents=True, exist_ok=True)
        run(command, "node", "init", base, "--listen", f"127.0.0.1:{self.port}")

    def start(self):
        self.process = subprocess.Popen([self.command, "serve", str(self.dir), "-f"],
                                        stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        wait_for(self.process, lambda: listens(self.port), "the node")
        return self

    def stop(self):
        end(self.process)

    def remove(self):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def invite(self, volume=None):
        return run(self.command, "node", "invite", self.dir, *(["--volume", volume] if volume else [])).strip()

    def memory(self):
        """Bytes: resident, its share of what others map too, the most ever resident; and threads."""
        rollup = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        status = Path(f"/proc/{self.process.pid}/status").read_text()

        def field(text, name):
            return int(text.split(f"\n{name}:")[1].split()[0])
        return {"rss": field(rollup, "Rss") * 1024, "pss": field(rollup, "Pss") * 1024,
                "peak": field(status, "VmHWM") * 1024, "threads": field(status, "Threads")}


class Sshd:
    """A server with a key of its own that lets in a throw-away key and nobody else."""

    def __init__(self, base):
        self.base = base
        self.process = None
        self.made_privsep = False
        shutil.rmtree(base, ignore_errors=True)
        base.mkdir(parents=True)

    def start(self):
        port, base = free_port(), self.base
        for name in ("host", "client"):
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", base / name)
        (base / "sshd_config").write_text(
            f"Port {port}\nListenAddress 127.0.0.1\nHostKey {base}/host\nPidFile none\n"
            f"AuthorizedKeysFile {base}/client.pub\nStrictModes no\nUsePAM no\n"
            "PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n"
            "Subsystem sftp internal-sftp\n")
        (base / "known").write_text(f"[127.0.0.1]:{port} {(base / 'host.pub').read_text()}")
        self.config = base / "ssh_config"
        self.config.write_text(
            f"Host bench\nHostName 127.0.0.1\nPort {port}\nIdentityFile {base}/client\n"
            f"IdentitiesOnly yes\nUserKnownHostsFile {base}/known\nBatchMode yes\nLogLevel ERROR\n")
        if os.geteuid() == 0 and not PRIVSEP.exists():
            PRIVSEP.mkdir(mode=0o755)
            self.made_privsep = True
        self.process = subprocess.Popen([SSHD, "-D", "-e", "-f", str(base / "sshd_config")],
                                        stderr=subprocess.DEVNULL)
        wait_for(self.process, lambda: listens(port), "sshd")
        run("ssh", "-F", self.config, "bench", "true")
        return self

    def stop(self):
        end(self.process)
        if self.made_privsep:
            PRIVSEP.rmdir()
        shutil.rmtree(self.base, ignore_errors=True)


class Detour:
    """A port whose connections reach the node from another loopback address: a node takes only so many from
    one. Bytes pass as they are, TLS and all."""

    def __init__(self, address, port):
        self.address, self.to = address, port
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
                far = socket.create_connection(("127.0.0.1", self.to), source_address=(self.address, 0))
            except OSError:
                return
            for a, b in ((near, far), (far, near)):
                a.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self.carry, args=(a, b), daemon=True).start()

    @staticmethod
    def carry(a, b):
        try:
            while data := a.recv(1 << 16):
                b.sendall(data)
            b.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        self.listener.close()

    def invitation(self, line):
        """The same invitation, to be used through here."""
        word, text = line.split(":", 1)
        o = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        o["url"] = f"https://127.0.0.1:{self.port}"
        text = base64.urlsafe_b64encode(json.dumps(o).encode()).decode().rstrip("=")
        return f"{word}:{text}"


class Control:
    """The control socket of a mounted store: asked a hundred times a second, a command would be too slow."""

    def __init__(self, store):
        self.socket = socket.socket(socket.AF_UNIX)
        here = os.open(store, os.O_PATH)
        try:
            self.socket.connect(f"/proc/self/fd/{here}/socket")
        finally:
            os.close(here)
        self.lines = self.socket.makefile("rb")

    def status(self):
        self.socket.sendall(b'{"do": "status"}\n')
        while "ok" not in (line := json.loads(self.lines.readline())):
            pass
        if not line["ok"]:
            raise RuntimeError(line["error"])
        return line["answer"]

    def close(self):
        self.lines.close()
        self.socket.close()
