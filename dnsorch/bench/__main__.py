"""``python -m dnsorch.bench``: measure, show, keep, compare."""

from __future__ import annotations

import json
import os
import sys
from argparse import ArgumentParser
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def parser() -> ArgumentParser:
    """Return what the command line may say."""
    found = ArgumentParser(prog="make bench", description=__doc__)
    found.add_argument("--list", action="store_true", help="name the figures, and end")
    found.add_argument("--only", action="append", metavar="NAME", help="of --list")
    found.add_argument("--runs", type=int, default=3, help="for the medians (3)")
    found.add_argument("--quick", action="store_true", help="small, and few of them")
    found.add_argument("--burst", type=int, help="records of bursts (10,000)")
    found.add_argument("--zones", type=int, help="zones of the wide burst (1,000)")
    found.add_argument("--requests", type=int, help="requests behind the CPU seconds")
    found.add_argument("--rows", type=int, nargs="+", help="rows behind the lists")
    found.add_argument("--hosts", type=int, help="records of a large zone (100,000)")
    found.add_argument("--compare", action="store_true", help="with what is committed")
    found.add_argument(
        "--keep", action="store_true", help="the ratios, to be committed"
    )
    return found


def main() -> int:
    """Do what the command line says; return 1 if a ratio is worse than it was."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dnsorch.settings")
    import django

    django.setup()
    from dnsorch.bench import report, runner
    from dnsorch.bench.figures import FIGURES

    asked = parser().parse_args()
    if unknown := set(asked.only or ()) - set(FIGURES):
        sys.exit(f"unknown: {', '.join(sorted(unknown))}")
    if asked.list:
        for name, measure in FIGURES.items():
            print(f"{name:<10} {measure.__doc__}")
        return 0
    figures, failed = runner.run(runner.names(asked), runner.sizes(asked), asked.runs)
    print(report.table(figures))
    file = runner.keep(ROOT / "var" / "bench", figures)
    print(f"\n{runner.machine()}: {file}")
    committed = ROOT / "docs" / "performance.json"
    kept = json.loads(committed.read_text()) if committed.exists() else {}
    kind = "quick" if asked.quick else "full"
    if asked.keep:
        kept[kind] = kept.get(kind, {}) | report.baseline(figures)
        committed.write_text(json.dumps(kept, indent=1) + "\n")
    print("".join(f"failed: {name}\n" for name in failed), end="")
    found = report.worse(kept.get(kind, {}), figures) if asked.compare else []
    for each in found:
        print(
            f"worse: {each.figure}: {each.before:.2f} of {each.floor}, {each.now:.2f}"
        )
    return 1 if found or failed else 0


if __name__ == "__main__":
    sys.exit(main())
