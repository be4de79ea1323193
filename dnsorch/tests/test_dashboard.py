"""The dashboard speaks of metrics that there are, and leaves none of ours out."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import pytest

from dnsorch.tests import monitoring

DASHBOARD: dict[str, Any] = json.loads(
    (monitoring.FOLDER / "dashboard.json").read_text()
)
PANELS: list[dict[str, Any]] = [
    panel for panel in DASHBOARD["panels"] if panel["type"] != "row"
]
TARGETS: list[dict[str, Any]] = [
    target for panel in PANELS for target in panel["targets"]
]
# Told by others on the same panel: how many, and the sum of what took how long.
SUFFIX = re.compile(r"_(bucket|sum|count)$")


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: str(target["expr"]))
def test_each_expression_is_about_metrics_that_there_are(
    target: dict[str, Any],
) -> None:
    assert monitoring.faults(target["expr"]) == []
    named = re.findall(r"{{(\w+)}}", target["legendFormat"])
    assert set(named) <= monitoring.labels_kept(target["expr"])


def test_every_metric_has_a_place() -> None:
    shown = {
        SUFFIX.sub("", name)
        for target in TARGETS
        for name in monitoring.NAME.findall(target["expr"])
    }
    there = {SUFFIX.sub("", name) for name in monitoring.known()}
    # Messages in one post: of use to who tunes it, on a page of its own.
    assert there - shown == {"dnsorch_kafka_post_items"}


def test_the_data_source_is_chosen_by_who_looks() -> None:
    (variable,) = DASHBOARD["templating"]["list"]
    assert (variable["name"], variable["type"]) == ("datasource", "datasource")
    sources = [each["datasource"] for each in (*PANELS, *TARGETS)]
    assert {source["uid"] for source in sources} == {"${datasource}"}


def test_panels_do_not_share_ids_or_places() -> None:
    ids = Counter(panel["id"] for panel in DASHBOARD["panels"])
    assert set(ids.values()) == {1}
    cells = Counter(
        (x, y)
        for panel in DASHBOARD["panels"]
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    )
    assert max(cells.values()) == 1
    assert max(x for x, _ in cells) == 23


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("max(dnsorch_outbox_events)", []),
        ("max(dnsorch_outbox_event)", ["no metric dnsorch_outbox_event"]),
        (
            'sum(dnsorch_lanes_waiting{status="ok"})',
            ["dnsorch_lanes_waiting has no label status"],
        ),
        ("sum by (zone) (dnsorch_lanes_waiting)", ["by (zone)"]),
        ("vector(1)", ["no metric of ours"]),
    ],
)
def test_what_is_wrong_is_found(expression: str, found: list[str]) -> None:
    assert monitoring.faults(expression) == found
