# SPDX-License-Identifier: MIT
"""What came out: a table of all figures, a table of goals, and both for programs."""

import os
import platform
import re
import statistics
from pathlib import Path

from goals import TIMES, goals_of
from shell import run

MEASURED = "holdfast"
YARDSTICK = "ext4"
CEILING = "ceiling"


def machine(base):
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = int(re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text()).group(1)) >> 20
    disk = run("stat", "-f", "-c", "%T", base).strip()
    return (f"{cpu.group(1) if cpu else platform.machine()}, {os.cpu_count()} cores, {memory} GiB, "
            f"Linux {platform.release()}, disk: {disk}")


def number(value):
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


class Results:
    def __init__(self, figures, filesystems):
        self.figures = figures
        self.names = [fs.name for fs in filesystems]
        self.values = {(fs.name, f.name): [] for fs in filesystems for f in figures}

    def add(self, name, figure, value):
        self.values[name, figure].append(value)

    def median(self, name, figure):
        """None where it was not measured."""
        values = self.values.get((name, figure))
        return statistics.median(values) if values else None

    def ratio(self, name, figure, against):
        """How many times as good, or None."""
        value, other = self.median(name, figure.name), self.median(against, figure.name)
        if not value or not other:
            return None
        return value / other if figure.more_is_better else other / value


def judge(results):
    """Every goal that can be judged from what was measured."""
    goals = []
    for figure in results.figures:
        for against, least in goals_of(figure.name):
            ratio = results.ratio(MEASURED, figure, against)
            if ratio is not None:
                goals.append({"figure": figure.name, "against": against, "at_least": least,
                              "measured": ratio, "met": ratio >= least,
                              "ceiling": results.ratio(CEILING, figure, against)})
    for name, below_ms in TIMES:
        value = results.median(MEASURED, name)
        if value is not None:
            goals.append({"figure": name, "below_ms": below_ms, "measured": value, "met": value < below_ms})
    return goals


def figure_table(results):
    others = [name for name in results.names if name != YARDSTICK]
    heads = ["figure", YARDSTICK, *others]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for figure in results.figures:
        cells = [f"{figure.name} ({figure.unit})", number(results.median(YARDSTICK, figure.name))]
        for name in others:
            ratio = results.ratio(name, figure, YARDSTICK)
            cells.append(number(results.median(name, figure.name)) + (f" ({ratio:.2f}x)" if ratio else ""))
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def goal_table(goals):
    lines = [f"{sum(goal['met'] for goal in goals)} of {len(goals)} targets are met.", "",
             "| figure | at least | measured | ceiling | |", "|---|---|---|---|---|"]
    for goal in goals:
        if "against" in goal:
            least = f"{goal['at_least']:.1f}x {goal['against']}"
            measured = f"{goal['measured']:.2f}x"
        else:
            least, measured = f"under {goal['below_ms']:g} ms", f"{number(goal['measured'])} ms"
        ceiling = f"{goal['ceiling']:.2f}x" if goal.get("ceiling") else "–"
        verdict = "met" if goal["met"] else "**missed**"
        lines.append(f"| {goal['figure']} | {least} | {measured} | {ceiling} | {verdict} |")
    return lines


def as_text(results, goals, facts):
    rounds = facts["rounds"]
    lines = [f"{facts['machine']}. Medians of {rounds} round{'s' * (rounds > 1)}.",
             f"Inputs: {facts['inputs']}.",
             f"Versions: {', '.join(' '.join(pair) for pair in facts['versions'].items())}.",
             "", *figure_table(results)]
    if goals:
        lines += ["", *goal_table(goals)]
    return "\n".join(lines) + "\n"


def as_data(results, goals, facts):
    figures = {}
    for figure in results.figures:
        figures[figure.name] = {
            "unit": figure.unit, "more_is_better": figure.more_is_better,
            "median": {name: results.median(name, figure.name) for name in results.names},
            "values": {name: results.values[name, figure.name] for name in results.names}}
    return {**facts, "figures": figures, "targets": goals}
