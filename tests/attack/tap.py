# SPDX-License-Identifier: MIT
"""For tests/attack/*.t: TAP for prove(1), a folder of one's own, the command, and everything gone at the end."""

import atexit
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
HOLDFAST = os.path.realpath(os.environ.get("HOLDFAST", os.path.join(HERE, "../../build/release/holdfast")))
COMMAND_SECONDS = 120

T = tempfile.mkdtemp(prefix="holdfast-attack.", dir=os.environ.get("TMPDIR", "/tmp"))
_counts = {"all": 0, "bad": 0}


def path(*parts):
    """A path in the test's own folder."""
    return os.path.join(T, *parts)


def diag(*lines):
    for line in "\n".join(str(line) for line in lines).splitlines():
        print("#", line)


def ok(good, name, *why):
    """One TAP line; why is shown when it is not good."""
    _counts["all"] += 1
    if not good:
        _counts["bad"] += 1
        print("not", end=" ")
    print(f"ok {_counts['all']} - {name}", flush=True)
    if not good:
        diag(*why)
    return bool(good)


def equal(got, wanted, name):
    return ok(got == wanted, name, f"got:    {got!r}", f"wanted: {wanted!r}")


def bail(*words):
    diag(*words)
    print("Bail out!", str(words[0]).splitlines()[0], flush=True)
    sys.exit(255)


def skip_all(why):
    print(f"1..0 # SKIP {why}", flush=True)
    sys.exit(0)


def need_fuse():
    """What mounting takes; without it the whole file is skipped, saying why."""
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError:
        skip_all("/dev/fuse is not there, or may not be opened")
    with open("/proc/self/status", encoding="ascii") as status:
        effective = next(int(line.split()[1], 16) for line in status if line.startswith("CapEff:"))
    if os.getuid() == 0 and not effective >> 21 & 1:
        skip_all("root without CAP_SYS_ADMIN cannot mount")
    if os.getuid() != 0 and not shutil.which("fusermount3"):
        skip_all("no fusermount3")


def run(*argv, text=None, **kwargs):
    """A holdfast command, whatever it ends with."""
    return subprocess.run([HOLDFAST, *map(str, argv)], input=text, capture_output=True, text=True,
                          timeout=COMMAND_SECONDS, check=False, **kwargs)


def must(*argv, text=None):
    """A holdfast command without which there is nothing to test; what it printed."""
    done = run(*argv, text=text)
    if done.returncode != 0:
        bail(f"holdfast {' '.join(map(str, argv))}: exit code {done.returncode}", done.stdout, done.stderr)
    return done.stdout


def refused(name, pattern_words, *argv):
    """The command ends with 2 and says all of the words on stderr."""
    done = run(*argv)
    return ok(done.returncode == 2 and all(w in done.stderr for w in pattern_words), name,
              f"exit code {done.returncode}, wanted 2 and {pattern_words}:", done.stdout, done.stderr)


def eventually(seconds, condition):
    """As soon as the condition holds; False when it does not within so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def end_process(pid):
    """SIGTERM, and SIGKILL when that is not heard."""
    def gone():
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        return False
    try:
        os.kill(pid, signal.SIGTERM)
        if not eventually(15, gone):
            os.kill(pid, signal.SIGKILL)
            eventually(5, gone)
    except ProcessLookupError:
        pass


def mounts():
    with open("/proc/self/mountinfo", encoding="utf-8") as info:
        return [line.split()[4] for line in info if line.split()[4].startswith(T + "/")]


def _cleanup():
    os.chdir("/")
    for where in reversed(mounts()):
        if run("unmount", where, "--timeout", "0").returncode != 0:
            subprocess.run(["umount", "-l", where], check=False)
    for name in os.listdir(T):
        if os.path.isfile(path(name, "pid")):
            with open(path(name, "pid"), encoding="ascii") as f:
                end_process(int(f.read()))
    if os.environ.get("KEEP"):
        diag(f"kept: {T}")
    else:
        shutil.rmtree(T, ignore_errors=True)


def done_testing():
    print(f"1..{_counts['all']}", flush=True)
    sys.exit(1 if _counts["bad"] else 0)


atexit.register(_cleanup)
for _signal in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(_signal, lambda *_: sys.exit(130))
if not os.access(HOLDFAST, os.X_OK):
    bail(f"there is no {HOLDFAST}")
