# SPDX-License-Identifier: MIT
"""What a soak has done, written where docs/RELIABILITY.md has its marks."""

import datetime
import os
import platform

BEGIN, END = "<!-- soak: written by the run -->\n", "<!-- soak: end -->\n"
MIB = 1 << 20


def report(path, soak, how):
    text = path.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        raise SystemExit(f"soak: cannot write the totals to {path}: the marks between which they stand are not there")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    lines = [f"`{how}`, {datetime.date.today()}, {soak.seconds:,.0f} seconds, Linux "
             f"{platform.release().split('-')[0]}, {os.cpu_count()} processors: {soak.passed} passed, 0 failed, "
             f"{soak.skipped} skipped.", "",
             "| what | times |", "|---|---:|"]
    lines += [f"| {name} | {n:,} |" for name, n in soak.counts.items()]
    lines += ["", "| process | resident, MiB: second quarter | last quarter | at most | descriptors: second "
              "quarter | last quarter | at most | and files of the store, at most | threads |",
              "|---|---:|---:|---:|---:|---:|---:|---:|---:|"]
    for row in soak.table:
        memory = [n / MIB for n in (*row["rss"], row["rss_most"])]
        cells = [*memory, *row["fds"], row["fds_most"], row["files_most"], row["threads"][1]]
        lines.append(f"| {row['name']} | " + " | ".join(f"{n:.0f}" for n in cells) + " |")
    new = path.with_name(path.name + ".new")
    new.write_text(before + BEGIN + "\n".join(lines) + "\n" + END + after, encoding="utf-8")
    os.replace(new, path)
