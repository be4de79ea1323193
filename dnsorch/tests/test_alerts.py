"""The alerting rules speak of metrics that there are, and have tests and runbooks.

What they do is tested with promtool (deploy/check), where it is.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from django.conf import settings

from dnsorch.tests import monitoring

RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((monitoring.FOLDER / "alerts.yml").read_text())[
        "groups"
    ]
    for rule in group["rules"]
]
TESTS = yaml.safe_load((monitoring.FOLDER / "alerts_test.yml").read_text())["tests"]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_each_rule_is_about_metrics_that_there_are(rule: dict[str, Any]) -> None:
    assert monitoring.faults(rule["expr"]) == []
    named = re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"])
    assert set(named) <= monitoring.labels_kept(rule["expr"])


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_each_alert_has_a_runbook(rule: dict[str, Any]) -> None:
    file, _, anchor = rule["annotations"]["runbook"].partition("#")
    text = (settings.BASE_DIR / file).read_text()
    headings = re.findall(r"^### (.+)$", text, re.MULTILINE)
    assert anchor == rule["alert"].lower()
    assert rule["alert"] in headings


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_each_alert_is_tested_with_and_without_its_cause(rule: dict[str, Any]) -> None:
    cases = [
        "exp_alerts" in case
        for test in TESTS
        for case in test["alert_rule_test"]
        if case["alertname"] == rule["alert"]
    ]
    assert sorted(cases) == [False, True]


def test_the_series_of_the_tests_are_those_that_there_are() -> None:
    written = [each["series"] for test in TESTS for each in test["input_series"]]
    for series in written:
        # Prometheus adds where it was scraped.
        ours = re.sub(r',? ?pod="\w"', "", series).replace("{, ", "{")
        assert monitoring.faults(ours) == []
