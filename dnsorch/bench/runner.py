"""One run of the bench from start to end, and what is kept of it."""

from __future__ import annotations

import json
import os
import platform
import signal
import sys
import time
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from subprocess import CalledProcessError
from tempfile import TemporaryDirectory

from dnsorch.bench.bench import QUICK, Bench, Sizes
from dnsorch.bench.figures import FIGURES, ONCE, resources
from dnsorch.bench.results import Figure, Measured, all_combined
from dnsorch.bench.stack import BenchStack

#: What takes less than a minute together.
QUICK_NAMES = ("single", "batch", "live", "lists")


def sizes(asked: Namespace) -> Sizes:
    """Return how large everything is to be."""
    options = ("burst", "zones", "requests", "rows", "hosts")
    given = {name: getattr(asked, name) for name in options}
    chosen = {name: value for name, value in given.items() if value is not None}
    if "rows" in chosen:
        chosen["rows"] = tuple(sorted(chosen["rows"]))
    return replace(QUICK if asked.quick else Sizes(), **chosen)


def names(asked: Namespace) -> list[str]:
    """Return what is to be measured."""
    return list(asked.only or (QUICK_NAMES if asked.quick else FIGURES))


def run(
    chosen: Sequence[str], wanted: Sizes, count: int
) -> tuple[list[Figure], list[str]]:
    """Start the stack, measure, stop it.

    Return the figures that were named, and the names of those that failed.
    """
    # What was started is stopped then, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    found: list[Measured] = []
    failed: list[str] = []
    with TemporaryDirectory(prefix="dnsorch-bench-") as directory:
        large = count if "zone" in chosen else 0
        stack = BenchStack(
            Path(directory), count=wanted.zones, large=large, hosts=wanted.hosts
        )
        bench = Bench(stack, wanted, count)
        try:
            say("starting")
            bench.start()
            bench.at_rest = resources.memory(stack)
            for name, measure in FIGURES.items():
                for number in range(count if name not in ONCE else 1):
                    if name in chosen and name not in failed:
                        say(f"{name}, run {number + 1}")
                        try:
                            found += measure(bench)
                        except (AssertionError, CalledProcessError) as error:
                            say(f"{name} failed: {error}\n{stack.logs(5)}")
                            failed.append(name)
        finally:
            say("stopping")
            stack.down()
    return all_combined(found), failed


def say(what: str) -> None:
    """Tell how far it is, on standard error."""
    print(f"{time.strftime('%X')} {what}", file=sys.stderr, flush=True)


def machine() -> str:
    """Return on what it was measured, and how busy that was."""
    load = " ".join(f"{each:.1f}" for each in os.getloadavg())
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores, Python {platform.python_version()}, load {load}"


def keep(directory: Path, figures: Sequence[Figure]) -> Path:
    """Write the figures as JSON into a new file; return it."""
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    told = {"machine": machine(), "figures": [each.as_dict() for each in figures]}
    file.write_text(json.dumps(told, indent=1) + "\n")
    return file
