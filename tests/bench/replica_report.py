# SPDX-License-Identifier: MIT
"""The tables of what replica.py measured, and its targets."""

import json
import statistics

from report import machine, number
from scale_report import mib, table

LAG_P99_SECONDS = 1.0
INGEST_TIMES, RECOVERY_TIMES = 1.0, 1.5


def spread(values):
    return f"{number(min(values))} to {number(max(values))}"


def verdict(met):
    return "met" if met else "**missed**"


def report_ingest(r):
    medians = {name: statistics.median(values) for name, values in r["rates"].items()}
    best = max((name for name in medians if name != "holdfast"), key=medians.get)
    ratio = medians["holdfast"] / medians[best]
    rows = [(name, number(medians[name]), spread(values)) for name, values in r["rates"].items()]
    goal = ("ingest", f"{INGEST_TIMES:.1f}x the faster of scp and rsync", f"{ratio:.2f}x {best}",
            verdict(ratio >= INGEST_TIMES))
    return table([f"{mib(r['bytes'])} of log, to disk", "MB/s", "rounds"], rows), [goal]


def report_lag(r):
    rows = [("written, MB/s", number(r["rate"])), ("commits seen", f"{r['commits']:,}"),
            ("durable to receipt, median", f"{r['median'] * 1000:.0f} ms"),
            ("99th percentile", f"{r['p99'] * 1000:.0f} ms"), ("most", f"{r['most'] * 1000:.0f} ms"),
            ("most bytes behind", mib(r["most_bytes"]))]
    goal = ("lag, 99th percentile", f"at most {LAG_P99_SECONDS:g} s", f"{r['p99']:.2f} s",
            verdict(r["p99"] <= LAG_P99_SECONDS))
    return table([f"lag, {r['seconds']} s", ""], rows), [goal]


def report_catch_up(r):
    rows = [("MB/s", number(statistics.median(r["rates"])), spread(r["rates"])),
            ("s from the node's return to the first receipt", number(statistics.median(r["noticed_seconds"])),
             spread(r["noticed_seconds"]))]
    return table([f"catching up with {mib(r['bytes'])}", "median", "rounds"], rows), []


def report_memory(r):
    rows = [(what, mib(m["rss"]), mib(m["pss"]), f"{m['threads']:.0f}")
            for what, m in (("no volume", r["empty"]), (f"{r['volumes']} volumes connected", r["connected"]))]
    rows.append(("most at any time", mib(r["peak"]), "", ""))
    return table(["node's memory", "resident", "proportional", "threads"], rows), []


def report_recovery(r):
    medians = {name: statistics.median(one["restored"] for one in all_) for name, all_ in r["seconds"].items()}
    best = min((name for name in medians if not name.startswith("holdfast")), key=medians.get)
    ratio = medians[best] / medians["holdfast"]
    rows = []
    for name, rounds in r["seconds"].items():
        mounted = [one["mounted"] for one in rounds if "mounted" in one]
        rows.append((name, f"{statistics.median(mounted):.2f} s" if mounted else "–", f"{medians[name]:.2f} s",
                     spread([one["restored"] for one in rounds])))
    goal = ("recovery, all files", f"{RECOVERY_TIMES:.1f}x the faster of restic and borg",
            f"{ratio:.2f}x {best}", verdict(ratio >= RECOVERY_TIMES))
    return table([f"{r['files']:,} files, {mib(r['bytes'])} ({mib(r['log_bytes'])} of log)",
                  "mounted, all readable", "all files restored and synced", "rounds"], rows), [goal]


REPORTS = {"ingest": report_ingest, "lag": report_lag, "catch-up": report_catch_up,
           "memory": report_memory, "recovery": report_recovery}


def report(base, results, figures):
    lines, goals = [f"{machine(base)}.", ""], []
    for name in figures:
        path = results / f"{name}.json"
        if path.exists():
            r = json.loads(path.read_text())
            part, own = REPORTS[name](r)
            if r["scale"] != 1:
                lines += [f"With {r['scale']:g} of the sizes and times:", ""]
            lines += part
            goals += own
    return "\n".join(lines + table(["target", "", "measured", ""], goals)) + "\n"
