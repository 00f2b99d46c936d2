#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measure holdfast beside the disk's own filesystem and others; docs/BENCHMARKS.md says what and how."""

import argparse
import json
import shutil
import sys
import time
from pathlib import Path

from filesystems import KINDS, Ceiling, Filesystem, Holdfast, can_drop_caches
from inputs import Inputs
from report import Results, as_data, as_text, judge, machine
from workloads import FIGURES, Kit, with_needs


def say(words):
    print(f"bench: {words}", file=sys.stderr, flush=True)


def measure_all(kit, fs, figures, results, verbose):
    """One round of one filesystem, from its making to its removal."""
    fs.make()
    fs.mount()
    try:
        for figure in figures:
            if figure.only not in (None, fs.name) or (figure.cold and not can_drop_caches()):
                continue
            fs.settle()
            if figure.cold:
                fs.cold()
            start = time.monotonic()
            value = figure.measure(kit, fs)
            if fs.counts(figure):
                results.add(fs.name, figure.name, value)
            if verbose:
                whole = time.monotonic() - start
                say(f"{fs.name}: {figure.name} {value:.6g} {figure.unit}, {whole:.1f} s in all")
    finally:
        fs.unmount()
        shutil.rmtree(fs.base, ignore_errors=True)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="figures, separated by commas")
    parser.add_argument("--filesystems", default=",".join(KINDS), help="as --only; ext4 is always one")
    parser.add_argument("--options", default="", help="mount options for holdfast")
    parser.add_argument("--dir", required=True, type=Path, help="where to measure and to leave the results")
    parser.add_argument("--build", required=True, type=Path, help="the folder holdfast was built into")
    parser.add_argument("--verbose", action="store_true", help="tell each figure as it comes")
    args = parser.parse_args()
    for words, known in ((args.only, FIGURES), (args.filesystems, KINDS)):
        for word in words.replace(",", " ").split():
            if word not in known:
                sys.exit(f"bench: {word} is not known; there are {', '.join(known)}")
    return args


def main():
    args = arguments()
    figures = with_needs(args.only.replace(",", " ").split() or FIGURES)
    base, build = args.dir.resolve(), args.build.resolve()
    base.mkdir(parents=True, exist_ok=True)
    Holdfast.command = str(build / "holdfast")
    Holdfast.options = args.options
    Ceiling.command = str(build / "tests/bench/ceiling")
    chosen = {Filesystem.name, *args.filesystems.replace(",", " ").split()}
    filesystems = [kind(base / name) for name, kind in KINDS.items() if name in chosen]
    if not can_drop_caches():
        say("not root, so caches cannot be dropped: cold figures are left out")

    inputs = Inputs(base)
    for name in sorted({f.input for f in figures if f.input}):
        inputs.make(name)
    kit = Kit(build / "tests/bench/fsbench", build / "tests/bench/tagbench", inputs)
    results = Results(figures, filesystems)
    for n in range(args.rounds):
        # Whoever comes first finds another disk than whoever comes last: they take turns.
        turn = n % len(filesystems)
        for fs in filesystems[turn:] + filesystems[:turn]:
            start = time.monotonic()
            measure_all(kit, fs, figures, results, args.verbose)
            say(f"round {n + 1} of {args.rounds}: {fs.name} in {time.monotonic() - start:.0f} s")

    facts = {"machine": machine(base), "rounds": args.rounds, "inputs": inputs.words() or "none",
             "versions": {fs.name: fs.version() for fs in filesystems}}
    goals = judge(results)
    text = as_text(results, goals, facts)
    (base / "results.md").write_text(text)
    (base / "results.json").write_text(json.dumps(as_data(results, goals, facts), indent=1) + "\n")
    print(text, end="")
    say(f"also in {base / 'results.md'} and, for programs, {base / 'results.json'}")


if __name__ == "__main__":
    main()
