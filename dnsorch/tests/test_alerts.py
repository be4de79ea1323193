"""The alerting rules speak of metrics that there are, and have their runbooks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings

from dns_records import metrics as lanes
from dnsorch import state_metrics
from dnsorch.state_metrics import Gauge
from kafka_bridge import metrics as kafka
from requests_tracker import metrics as requests

BASE_DIR = Path(settings.BASE_DIR)
FILE = BASE_DIR / "deploy" / "monitoring" / "alerts.yml"
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load(FILE.read_text())["groups"]
    for rule in group["rules"]
]
SELECTOR = re.compile(r"(dnsorch_[a-z_]+)(?:\{([^}]*)\})?")


def gauges() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the names and labels of the gauges that rules may use."""
    for module in (state_metrics, requests, lanes):
        for value in vars(module).values():
            if isinstance(value, Gauge):
                yield value.name, value.labels
    (lag,) = kafka.LAG.describe()
    yield lag.name, ("topic", "partition")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_each_rule_is_about_a_metric_that_there_is(rule: dict[str, Any]) -> None:
    known = dict(gauges())
    ((name, selector),) = SELECTOR.findall(rule["expr"])
    labels = known[name]
    assert set(re.findall(r"(\w+)=", selector)) <= set(labels)
    for by in re.findall(r"by \((\w+)\)", rule["expr"]):
        assert by in labels
    kept = re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"])
    assert all(f"by ({label})" in rule["expr"] for label in kept)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_each_alert_has_a_runbook(rule: dict[str, Any]) -> None:
    file, _, anchor = rule["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^### (.+)$", (BASE_DIR / file).read_text(), re.MULTILINE)
    assert anchor == rule["alert"].lower()
    assert rule["alert"] in headings
