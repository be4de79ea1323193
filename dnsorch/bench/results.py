"""What was measured, and what is made of several runs of it. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

PERCENTS = (50, 95, 99)


@dataclass(frozen=True)
class Measured:
    """A figure of one run, and its floors by name, in the same unit.

    ``latencies`` are in seconds, of those operations that it is made of.
    """

    name: str
    unit: str
    ours: float
    floors: Mapping[str, float] = field(default_factory=dict)
    latencies: Sequence[float] = ()
    less_is_better: bool = False


@dataclass(frozen=True)
class Figure:
    """A figure of all runs: medians.

    A ratio is ours to the floor, 1 being as good as the floor and less being worse
    whatever the unit. ``percentiles`` are in milliseconds.
    """

    name: str
    unit: str
    ours: float
    floors: dict[str, float]
    ratios: dict[str, float]
    percentiles: dict[str, float]

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self)


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that so many percent are not above (nearest rank).

    Raises:
        ValueError: there is no value.
    """
    if not values:
        raise ValueError("no values")
    return sorted(values)[max(1, math.ceil(len(values) * percent / 100)) - 1]


def ratio(measured: Measured, floor: float) -> float:
    """Return how near a figure is to its floor; 0 where either is nothing."""
    if not floor or not measured.ours:
        return 0.0
    return floor / measured.ours if measured.less_is_better else measured.ours / floor


def combined(runs: Sequence[Measured]) -> Figure:
    """Return the medians of a figure's runs; a ratio is that of one run."""
    first = runs[0]
    floors = {name: median(run.floors[name] for run in runs) for name in first.floors}
    ratios = {
        name: median(ratio(run, run.floors[name]) for run in runs)
        for name in first.floors
    }
    percentiles = {
        f"p{percent}": median(percentile(run.latencies, percent) * 1000 for run in runs)
        for percent in PERCENTS
        if first.latencies
    }
    ours = median(run.ours for run in runs)
    return Figure(first.name, first.unit, ours, floors, ratios, percentiles)


def all_combined(found: Sequence[Measured]) -> list[Figure]:
    """Return every figure of all runs, in the order in which they came first."""
    by_name: dict[str, list[Measured]] = {}
    for measured in found:
        by_name.setdefault(measured.name, []).append(measured)
    return [combined(each) for each in by_name.values()]
