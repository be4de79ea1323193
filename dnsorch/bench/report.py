"""Figures as a table, as JSON, and compared with those of before. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from dnsorch.bench.results import PERCENTS, Figure

#: A ratio may be worse by so much of itself.
TOLERANCE = 0.25
HEAD = ("figure", "unit", "ours", "floor", "", "ratio", "p50 ms", "p95 ms", "p99 ms")


class Worse(NamedTuple):
    """A ratio that is worse than it was by more than is tolerated."""

    figure: str
    floor: str
    before: float
    now: float


def table(figures: Sequence[Figure]) -> str:
    """Return a table in Markdown, a line for each floor of a figure."""
    rows = [HEAD, *(row for figure in figures for row in _rows(figure))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [_line(row, widths) for row in rows]
    return "\n".join(
        [lines[0], _line(["-" * each for each in widths], widths), *lines[1:]]
    )


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
    return f"| {' | '.join(cells)} |"


def _rows(figure: Figure) -> list[tuple[str, ...]]:
    shown = [number(figure.percentiles.get(f"p{percent}")) for percent in PERCENTS]
    own = (figure.name, figure.unit, number(figure.ours))
    if not figure.floors:
        return [(*own, "", "", "", *shown)]
    found = []
    for name, floor in figure.floors.items():
        rest = (number(floor), name, share(figure.ratios[name]))
        found.append((*own, *rest, *shown))
        own, shown = ("", "", ""), ["", "", ""]
    return found


def number(value: float | None) -> str:
    """Return a number in three digits or more, "" for None."""
    if value is None:
        return ""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def share(ratio: float) -> str:
    """Return a ratio in two digits."""
    return f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.2g}"


def baseline(figures: Sequence[Figure]) -> dict[str, dict[str, float]]:
    """Return the ratios by figure and floor: what later runs are compared with."""
    return {
        figure.name: {name: round(each, 4) for name, each in figure.ratios.items()}
        for figure in figures
        if figure.ratios
    }


def worse(before: Mapping[str, Any], figures: Sequence[Figure]) -> list[Worse]:
    """Return the ratios that fell by more than the tolerance.

    What only one of both has is not compared.
    """
    return [
        Worse(figure.name, floor, before[figure.name][floor], now)
        for figure in figures
        for floor, now in figure.ratios.items()
        if floor in before.get(figure.name, {})
        and now < before[figure.name][floor] * (1 - TOLERANCE)
    ]
