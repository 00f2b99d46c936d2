# SPDX-License-Identifier: MIT
"""Memory and descriptors of processes, sampled while they work: flat at the end, or not."""

import os
import statistics
import threading
import time

MIB = 1 << 20
# How much the median of the last quarter may be above that of the second.
GROWTH, GROWTH_BYTES, GROWTH_FDS = 1.10, 8 * MIB, 8
FILES_MOST = 256 + 64  # tables of the index and segments that may be open at once


def kept_open(pid):
    """Descriptors of segments and of the index's tables: they grow with the store, up to their limits."""
    names = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            names.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
        except FileNotFoundError:
            pass  # closed meanwhile
    return sum(1 for name in names if name.endswith((".seg", ".sst"))), len(names)


def look(pid):
    """(bytes resident, descriptors without files of the store, threads, those files), or None when it is gone."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as f:
            fields = dict(line.split(":", 1) for line in f if ":" in line)
        files, fds = kept_open(pid)
        return int(fields["VmRSS"].split()[0]) * 1024, fds - files, int(fields["Threads"]), files
    except (OSError, KeyError, ValueError):
        return None


class Watch(threading.Thread):
    """`who`: name -> a function that gives its process now."""

    def __init__(self, who, every):
        super().__init__(daemon=True)
        self.who, self.every, self.halt = who, every, threading.Event()
        self.looks = {name: [] for name in who}

    def run(self):
        while not self.halt.wait(self.every):
            for name, pid in self.who.items():
                seen = look(pid())
                if seen:
                    self.looks[name].append((time.monotonic(), *seen))

    def finish(self):
        self.halt.set()
        self.join(60)

    def rows(self):
        """Of each: what it had in the second quarter and in the last, medians, and at most."""
        rows = []
        for name, looks in self.looks.items():
            n = len(looks)
            if n < 8:
                continue
            second, last = looks[n // 4:n // 2], looks[n - n // 4:]
            middle = [[statistics.median(look[i] for look in part) for part in (second, last)] for i in (1, 2, 3)]
            rows.append({"name": name, "looks": n, "rss": middle[0], "fds": middle[1], "threads": middle[2],
                         "rss_most": max(look[1] for look in looks), "fds_most": max(look[2] for look in looks),
                         "files_most": max(look[4] for look in looks)})
        return rows


def grown(row):
    """Words for what is not flat, or none."""
    (rss, rss_last), (fds, fds_last) = row["rss"], row["fds"]
    words = []
    if rss_last > max(rss * GROWTH, rss + GROWTH_BYTES):
        words.append(f"{row['name']}: resident memory grew from {rss / MIB:.0f} to {rss_last / MIB:.0f} MiB")
    if fds_last > fds + GROWTH_FDS:
        words.append(f"{row['name']}: descriptors grew from {fds:.0f} to {fds_last:.0f}")
    if row["files_most"] > FILES_MOST:
        words.append(f"{row['name']}: {row['files_most']} files of the store were open at once")
    return words
