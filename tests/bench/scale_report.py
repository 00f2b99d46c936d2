# SPDX-License-Identifier: MIT
"""The tables and the pictures of what scale.py measured."""

import json
import shutil
from pathlib import Path

from report import machine, number
from shell import run

MIB = 1 << 20
TITLES = {
    "directory": "a directory of {entries:,} entries",
    "files": "a volume of {files:,} files",
    "sparse": "a sparse file of {gib:.3g} GiB",
    "overwrite": "{overwrites:,} overwrites of one block",
    "crash": "mount after kill -9",
    "live": "live figures after {operations:,} operations",
    "past": "reading the past",
    "history": "what happened, and what differs",
    "rebuild": "building the index anew",
    "restore": "bringing back a tree",
    "backup": "ten editions of a source tree",
}

def mib(n):
    return f"{n / MIB:,.0f} MiB"


def table(head, rows):
    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head),
            *("| " + " | ".join(str(c) for c in row) + " |" for row in rows), ""]


def report_live(r):
    fresh, aged = r["fresh"], r["aged"]
    rows = [(f"{f} (/s)", number(fresh[f]), number(aged[f]), f"{aged[f] / fresh[f]:.2f}x",
             f"{fresh[f + '-cpu']:.1f} µs", f"{aged[f + '-cpu']:.1f} µs")
            for f in fresh if not f.endswith("-cpu")]
    return table(["figure", "fresh volume", f"after {r['operations']:,} operations", "ratio",
                  "processor time of the mount a call, fresh", "after"], rows)


def report_past(r):
    s = r["seconds"]
    rows = [(what, f"{t['name'] * 1000:.1f} ms",
             *(f"{t[k] * 1000:,.0f} ms ({t[k] / s['live'][k]:.2f}x)" for k in ("walk", "small", "big")))
            for what, t in s.items()]
    return table(["cold", "naming it", "names and attributes of 2,001 files", "2,000 files of 8 KiB",
                  "one of 64 MiB"], rows)


def report_history(r):
    rows = [(what, f"{q['told']:,}", f"{q['seconds'] * 1000:,.1f} ms") for what, q in r["questions"].items()]
    return [f"After {r['operations']:,} operations, and with {r['files']:,} files more, in ten trees:", "",
            *table(["question", "told of", "time"], rows)]


def report_restore(r):
    rows = [(what, f"{seconds:.1f} s") for what, seconds in r["seconds"].items()]
    return [f"Bringing back a tree of {r['files']:,} files, caches dropped before and all synced after:", "",
            *table(["how", "time"], rows)]


def report_rest(results):
    rows = []

    def row(figure, what, value):
        rows.append((figure, what, value))
    if r := results.get("rebuild"):
        row("rebuild", f"operations a second ({r['operations']:,} operations, {mib(r['log_bytes'])} of log)",
            f"{r['rate']:,.0f}")
        row("rebuild", "then merged in the background", f"{r['rest_seconds']:.0f} s")
    if r := results.get("crash"):
        for what, seconds in r["seconds"].items():
            row("crash", f"mount, {r['mib'] / 1024:.3g} GiB, {what}" if "readdir" not in what
                else f"{what}", f"{seconds:.3f} s")
    if r := results.get("directory"):
        row("directory", "entries", f"{r['entries']:,}")
        for what in ("create", "readdir", "readdir-cold", "lookup-cold", "delete"):
            row("directory", f"{what}, entries a second", number(r[what]))
    if r := results.get("files"):
        row("files", "files", f"{r['files']:,}")
        for what, words in (("find", "walked, cold"), ("stat-hot-of-all", "lstat of all"),
                            ("read-cold", "read, cold, at random")):
            row("files", f"{words}, a second", number(r[what]))
    if r := results.get("sparse"):
        row("sparse", f"4 KiB writes a second at random places of {r['bytes'] / (1 << 30):.3g} GiB",
            number(r["write"]))
        row("sparse", "reads of them a second, cold", number(r["read-cold"]))
        for what, words in (("seek_all_seconds", f"SEEK_DATA and SEEK_HOLE over its {r['writes']:,} pieces"),
                            ("punch_half_seconds", "punch a half of it"), ("truncate_seconds", "truncate it")):
            row("sparse", words, f"{r[what]:.3f} s")
    if r := results.get("overwrite"):
        row("overwrite", f"overwrites of 4 KiB a second: first tenth of {r['overwrites']:,}",
            number(r["rates"][0]))
        row("overwrite", "last tenth", number(r["rates"][-1]))
        cold = r["read_cold_seconds"]
        past = sorted(v for k, v in cold.items() if k != "live")
        row("overwrite", "read of the block, cold: live; at ten past moments, the median and the slowest",
            f"{cold['live'] * 1000:.1f} ms; {past[len(past) // 2] * 1000:.1f} and {past[-1] * 1000:.1f} ms")
    return table(["", "what", "measured"], rows)


def report_memory(results, options):
    rows = [(TITLES[f].format(gib=r.get("bytes", 0) / (1 << 30), **r), mib(r["peak"]))
            for f, r in results.items() if "peak" in r]
    return [f"Resident memory of the mount's process at its highest, with {options or 'the default cache=256M'}:",
            "", *table(["during", "VmHWM"], rows)]


def report_amplification(results):
    rows = []

    def made(name, words):
        m = results[name].get("made") if name in results else None
        if m and m["operations"]:
            w = m["written_bytes"]
            rows.append((words, f"{m['operations']:,}", f"{m['log_bytes'] / m['operations']:,.0f}",
                         f"{w / m['operations']:,.0f}", f"{m['log_bytes'] / w:.2f}" if w else "–",
                         f"{m['disk_bytes'] / w:.2f}" if w else "–",
                         f"{m['index_bytes'] / m['operations']:,.0f}", f"{m['operations'] / m['seconds']:,.0f}"))
    made("live", "mixed work")
    made("files", "files of 128 bytes, made")
    made("crash", "data in a row, incompressible")
    if not rows:
        return []
    return ["Bytes, by the library without FUSE (half of the mixed work's bytes are zeros, and compress):", "",
            *table(["workload", "operations", "log bytes an operation", "written bytes an operation",
                    "log / written", "given to the disk / written", "index bytes an operation",
                    "operations a second"], rows)]


def report_backup(r):
    at = [("first edition", 0), ("ten editions", len(r["steps"]) - 2), ("and repacked", len(r["steps"]) - 1)]
    rows = [(f"{name} {r['versions'].get(name, '')}".strip(), *(mib(r["steps"][i][name]) for _, i in at),
             f"{r['seconds'][name]:.1f} s" if name in r["seconds"] else "") for name in
            ("restic", "borg", "holdfast", "holdfast-index")]
    return ["Ten edited versions of a source tree with its git repository "
            f"({r['files']:,} files, {mib(r['bytes'])}), and the repository then repacked:", "",
            *table(["bytes stored", *(w for w, _ in at), "time, all"], rows)]


def report(base, options, scale):
    results = {f: json.loads((base / "results" / f"{f}.json").read_text()) for f in TITLES
               if (base / "results" / f"{f}.json").exists()}
    lines = [f"{machine(base)}." + (f" Sizes times {scale:g}." if scale != 1 else ""), ""]
    if "live" in results:
        lines += report_live(results["live"])
    if "past" in results:
        lines += report_past(results["past"])
    if "history" in results:
        lines += report_history(results["history"])
    lines += report_rest(results) + report_memory(results, options) + report_amplification(results)
    if "restore" in results:
        lines += report_restore(results["restore"])
    if "backup" in results:
        lines += report_backup(results["backup"])
    return "\n".join(lines), results


def plot(base, results, into):
    """The numbers as gnuplot reads them, and the pictures that tests/bench/scale.gnuplot makes of them."""
    data = base / "plot"
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(parents=True)
    into.mkdir(parents=True, exist_ok=True)

    def write(name, rows):
        (data / name).write_text("".join(" ".join(str(c) for c in row) + "\n" for row in rows))
    if r := results.get("live"):
        write("live", [(f, r["aged"][f] / r["fresh"][f]) for f in r["fresh"] if not f.endswith("-cpu")])
    if r := results.get("past"):
        s = r["seconds"]
        write("past", [(0 if what == "live" else what.removeprefix("depth-"),
                        *(t[k] / s["live"][k] for k in ("walk", "small", "big"))) for what, t in s.items()])
    if r := results.get("overwrite"):
        write("overwrite", [((i + 1) / 10 * r["overwrites"], rate) for i, rate in enumerate(r["rates"])])
    if r := results.get("backup"):
        write("backup", [(i + 1, *(s[n] / MIB for n in ("restic", "borg", "holdfast")))
                         for i, s in enumerate(r["steps"])])
    for script in Path(__file__).parent.glob("scale.gnuplot"):
        run("gnuplot", "-e", f"data='{data}'; out='{into}'", str(script))
