#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Other users of the machine, and a store that somebody else prepared."""

import json
import os
import shutil
import socket
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import tap
from bench import Store, make_history, tree

tap.need_fuse()
NOBODY = 65534
store = Store("store")
make_history(store)
wanted = tree(store.mnt)


def whole(name):
    """The mount answers, and everything is what it was."""
    status = tap.run("status", store.mnt, "--json")
    good = status.returncode == 0 and json.loads(status.stdout)["failed"] is None
    return tap.ok(good and tree(store.mnt) == wanted, f"{name}: the mount is what it was", status.stdout, status.stderr)


# --- the control socket

def connected():
    """By way of the folder: the name of a socket is short."""
    s = socket.socket(socket.AF_UNIX)
    os.chdir(store.dir)
    s.connect("socket")
    os.chdir("/")
    return s


def talk(data, answers=1):
    """What comes back for these bytes: whole lines, until so many or the end."""
    with connected() as s:
        s.settimeout(20)
        try:
            s.sendall(data)
            got = b""
            while got.count(b"\n") < answers:
                more = s.recv(65536)
                if not more:
                    break
                got += more
        except OSError:
            got = b""
    return got


tap.ok(b'"ok":true' in talk(b'{"do":"status"}\n'), "the store's own user is answered")
tap.equal(os.stat(os.path.join(store.dir, "socket")).st_mode & 0o777, 0o600, "the socket is for nobody else")
if os.getuid() == 0:
    for folder in (tap.T, store.dir):
        os.chmod(folder, 0o755)
    os.chmod(os.path.join(store.dir, "socket"), 0o666)  # as by mistake
    script = ("import os, socket, sys; os.chdir(sys.argv[1]); os.setgroups([]); os.setgid(%d); os.setuid(%d)\n"
              "s = socket.socket(socket.AF_UNIX); s.connect('socket')\n"
              "try:\n s.sendall(b'{\"do\":\"status\"}\\n'); print(s.recv(4096))\n"
              "except OSError: print(b'')" % (NOBODY, NOBODY))
    done = subprocess.run(["/usr/bin/python3", "-c", script, store.dir], capture_output=True, text=True, check=False,
                          timeout=60)
    tap.equal(done.stdout.strip(), "b''", "another user who can reach it is told nothing")
    for name in ("keys/volume.key", "keys/writer.key", "log/0000000001.seg"):
        tap.equal(os.stat(os.path.join(store.dir, name)).st_mode & 0o077, 0, f"{name} is for nobody else")
    os.chmod(store.dir, 0o700)
whole("another user")
NONSENSE = [
    b"\n", b"{}\n", b"[]\n", b"null\n", b"\0\0\0\0\n", b'{"do":"format"}\n', b'{"do":7}\n', b'{"do":null}\n',
    b'{"do":"tag"}\n', b'{"do":"tag","name":7,"moment":[]}\n', b'{"do":"tag","name":"../../x","moment":"tid-1"}\n',
    b'{"do":"tag","name":"' + b"x" * 5000 + b'","moment":"tid-1"}\n', b'{"do":"status","do":"unmount"}\n',
    b'{"do":"tag","name":"a","moment":"' + b"9" * 4000 + b'"}\n', b'{"do":"tag","name":"a","moment":"tid-99999"}\n',
    b'{"do":"linger","x":1}\n', b'{"do":"untag","name":""}\n', b'{"do":"drain","timeout_ms":-1e308}\n',
    b'{"do":"drain","timeout_ms":99999999999999999999}\n', b"[" * 60000 + b"\n", b'{"a":' * 10000 + b"\n",
    b"x" * 70000, os.urandom(60000) + b"\n", b'{"do":"st\xff\xfe"}\n', b'{"do":"status"', b'{"do":"status"}\r\n',
]
for data in NONSENSE:
    talk(data, answers=data.count(b"\n"))
for _ in range(200):
    connected().close()
tap.ok(b'"ok":true' in talk(b'{"do":"status"}\n'), "after nonsense of every kind the socket answers")
tap.equal(os.listdir(os.path.join(store.mnt, ".history/tags")), [], "and nothing was named by it")
whole("nonsense on the socket")
tap.must("unmount", store.mnt)

# --- a store that somebody else prepared: links to what is not its own

victim = tap.path("victim")
os.mkdir(victim)
for name in ("CURRENT", "MANIFEST-000004", "000005.sst", "000006.log", "OPTIONS-000007", "IDENTITY", "LOCK", "letters"):
    with open(os.path.join(victim, name), "w", encoding="ascii") as f:
        f.write(f"{name} of somebody else\n")
victims = tree(victim)


def prepared(name, *changes):
    to = tap.path(name)
    shutil.copytree(store.dir, to, symlinks=True, ignore=shutil.ignore_patterns("socket"))
    for link, target in changes:
        full = os.path.join(to, link)
        if os.path.isdir(full) and not os.path.islink(full):
            shutil.rmtree(full)
        elif os.path.lexists(full):
            os.unlink(full)
        os.symlink(target, full)
    return to


def mounts(to):
    """Mount it, write into it, and unmount: what the command said."""
    done = tap.run("mount", to, store.mnt)
    if done.returncode == 0:
        with open(os.path.join(store.mnt, "new"), "wb") as f:
            f.write(os.urandom(100000))
            f.flush()
            os.fsync(f.fileno())
        tap.run("snapshot", store.mnt, "named")
        tap.run("unmount", store.mnt, "--timeout", "0")
    return f"exit code {done.returncode} {done.stderr.strip()[-120:]}"


letters = os.path.join(victim, "letters")
LINKS = {
    "index": victim,
    "lock": letters,
    "socket": letters,
    "kit-check.json": letters,
    "log/0000000002.seg": letters,
    "log/0000000003.seg": letters,
    "replicas": victim,
    "volume": letters,
    "keys/writer.key": letters,
}
for number, (link, target) in enumerate(LINKS.items()):
    words = mounts(prepared(f"prepared{number}", (link, target)))
    now = tree(victim)
    touched = sorted(k for k in now.keys() | victims.keys() if now.get(k) != victims.get(k))
    tap.equal(touched, [], f"{link} as a link to somebody else's: nothing of theirs is touched")
    tap.diag(words)
    victims = now

# --- and what is no store, or not this one

other = Store("other")
for name in ("volume", "keys/volume.key", "keys/writer.key", "log/0000000001.seg"):
    to = prepared(f"mixed-{os.path.basename(name)}")
    shutil.copy(os.path.join(other.dir, name), os.path.join(to, name))
    done = tap.run("mount", to, store.mnt)
    tap.ok(done.returncode == 2 and done.stderr.startswith("holdfast: "), f"another volume's {name} is refused", done)
    if done.returncode == 0:
        tap.must("unmount", store.mnt)


def flipped(data):
    return data[:40] + bytes([data[40] ^ 255]) + data[41:] if len(data) > 41 else data


for number, harm in enumerate((lambda d: d[:len(d) // 2], flipped, lambda d: os.urandom(len(d)))):
    to = prepared(f"index{number}")
    for name in os.listdir(os.path.join(to, "index")):
        full = os.path.join(to, "index", name)
        if os.path.isfile(full):
            with open(full, "rb") as f:
                data = f.read()
            with open(full, "wb") as f:
                f.write(harm(data))
    done = tap.run("mount", to, store.mnt)
    same = tree(store.mnt) == wanted and all(
        tree(os.path.join(store.mnt, ".history/at", f"tid-{tid}")) == then for tid, then in store.moments.items())
    tap.ok(done.returncode == 0 and same, f"an index that was tampered with ({number}) is made anew", done.stderr)
    tap.run("unmount", store.mnt)
store.mount()
whole("at last")
tap.must("unmount", store.mnt)
tap.done_testing()
