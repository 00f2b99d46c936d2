# SPDX-License-Identifier: MIT
"""Commands that must succeed, in an environment in which git is the same everywhere."""

import os
import subprocess
import time

LIMIT_SECONDS = 3600
GIT_CONFIG = {"safe.directory": "*", "gc.auto": "0", "advice.detachedHead": "false"}
GIT_ENV = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null",
           "GIT_CONFIG_COUNT": str(len(GIT_CONFIG)),
           **{f"GIT_CONFIG_KEY_{i}": key for i, key in enumerate(GIT_CONFIG)},
           **{f"GIT_CONFIG_VALUE_{i}": value for i, value in enumerate(GIT_CONFIG.values())},
           "GIT_AUTHOR_NAME": "bench", "GIT_AUTHOR_EMAIL": "bench@localhost",
           "GIT_COMMITTER_NAME": "bench", "GIT_COMMITTER_EMAIL": "bench@localhost"}


def run(*argv, codes=(0,), **kwargs):
    """Run a command, which is to end with one of these; what it printed."""
    argv = [str(word) for word in argv]
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=LIMIT_SECONDS, env={**os.environ, **GIT_ENV}, **kwargs)
    if done.returncode not in codes:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def timed(*argv, **kwargs):
    """Run a command; the seconds it took."""
    start = time.monotonic()
    run(*argv, **kwargs)
    return time.monotonic() - start
