"""What rules and dashboards may speak of: the metrics that there are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from prometheus_client import Counter
from prometheus_client import Gauge as Counted
from prometheus_client import Histogram
from prometheus_client.metrics import MetricWrapperBase

from dns_records import metrics as lanes
from dnsorch import probes, state_metrics
from dnsorch.api import metrics as http
from dnsorch.state_metrics import Gauge
from kafka_bridge import metrics as kafka
from requests_tracker import metrics as requests

FOLDER = Path(settings.BASE_DIR) / "deploy" / "monitoring"
MODULES = (http, kafka, lanes, probes, requests, state_metrics)
NAME = re.compile(r"\bdnsorch_\w+")
SELECTOR = re.compile(r"(\bdnsorch_\w+)\{([^}]*)\}")
BY = re.compile(r"by \(([^)]*)\)")


def known() -> dict[str, set[str]]:
    """Return the series that there are, each with its labels."""
    return {
        series: set(labels)
        for module in MODULES
        for value in vars(module).values()
        for series, labels in _series(value)
    }


def _series(value: object) -> Iterator[tuple[str, tuple[str, ...]]]:
    if isinstance(value, Gauge):
        yield value.name, value.labels
    if not isinstance(value, MetricWrapperBase):
        return
    (described,) = value.describe()
    name, labels = described.name, value._labelnames
    if isinstance(value, Counted):
        yield name, labels
    elif isinstance(value, Counter):
        yield f"{name}_total", labels
    elif isinstance(value, Histogram):
        yield f"{name}_bucket", (*labels, "le")
        yield f"{name}_sum", labels
        yield f"{name}_count", labels


def faults(expression: str) -> list[str]:
    """Return what an expression says of metrics that there are not."""
    series, found = known(), []
    names = NAME.findall(expression)
    if not names:
        found.append("no metric of ours")
    found += [f"no metric {name}" for name in names if name not in series]
    labels = set[str]().union(*(series.get(name, set()) for name in names))
    for name, selector in SELECTOR.findall(expression):
        for label in re.findall(r"(\w+)\s*[=!]", selector):
            if label not in series.get(name, set()):
                found.append(f"{name} has no label {label}")
    for names_by in BY.findall(expression):
        for label in names_by.split(","):
            if label.strip() not in labels:
                found.append(f"by ({label.strip()})")
    return found


def labels_kept(expression: str) -> set[str]:
    """Return the labels that the result of an expression has."""
    return {
        label.strip()
        for names in BY.findall(expression)
        for label in names.split(",")
        if label.strip() != "le"
    }
