"""The checker finds what is broken: each invariant is broken once or more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dnsorch.tests.faults import checker
from dnsorch.tests.faults.evidence import (
    Asked,
    Batch,
    Change,
    Evidence,
    Held,
    Outcome,
    Published,
    Request,
)
from dnsorch.tests.faults.update_log import RESTORED, Added

ZONE, NAME, MARKER = "example.test.", "a.example.test.", "_dnsorch.example.test."
DONE = ("completed",)


def marker(epoch: int, number: int) -> Added:
    """Return the log's line of a marker."""
    return Added(ZONE, MARKER, f"v1 {epoch} {number}")


def added(number: int) -> Added:
    """Return the log's line of a number."""
    return Added(ZONE, NAME, str(number))


def published(request_id: str, *, event: str = "") -> Published:
    """Return an event as Kafka has it."""
    return Published(ZONE, event or f"{request_id}.completed", request_id)


REST = Asked("k1", NAME, 1, "rest", (202,), "r1")
KAFKA = Asked("k2", NAME, 2, "kafka")
FIRST = Request("r1", "k1", "completed", "", DONE)
SECOND = Request("r2", "k2", "completed", "", DONE)
OUTCOMES = (
    Outcome("r1", ZONE, "completed", 1),
    Outcome("r2", ZONE, "completed", 2),
)
SERVED = {("ns1", NAME): frozenset({"2"}), ("ns2", NAME): frozenset({"2"})}
# Two messages and a takeover between them; the first event was published twice.
GOOD = Evidence(
    asked=(REST, KAFKA),
    requests=(FIRST, SECOND),
    changes=(
        Change(1, "r1", ZONE, NAME, 1, 1, "verified"),
        Change(2, "r2", ZONE, NAME, 2, 2, "verified"),
    ),
    batches=(
        Batch(ZONE, 1, 7, "applied"),
        Batch(ZONE, 1, 8, "not_applied"),
        Batch(ZONE, 2, 9, "applied"),
    ),
    outcomes=OUTCOMES,
    published=(published("r1"), published("r1"), published("r2")),
    added=(marker(1, 7), added(1), marker(2, 7), marker(2, 9), added(2)),
    held={NAME: Held(2, 2)},
    served=SERVED,
    recovery_s=1.0,
)


def test_nothing_is_found_where_nothing_is_broken() -> None:
    assert checker.check(GOOD) == []
    assert checker.check(Evidence()) == []


BROKEN: list[tuple[str, str, dict[str, Any]]] = [
    (
        "I1",
        "an acknowledged request is gone",
        {"asked": (REST._replace(request_id="r9"), KAFKA)},
    ),
    (
        "I1",
        "one is stuck",
        {"requests": (FIRST, SECOND._replace(status="verifying", finals=()))},
    ),
    (
        "I1",
        "two ends",
        {"requests": (FIRST._replace(finals=("failed", "completed")), SECOND)},
    ),
    ("I1", "no outcome", {"outcomes": OUTCOMES[:1]}),
    (
        "I1",
        "two outcomes",
        {"outcomes": (*OUTCOMES, Outcome("r1", ZONE, "completed", 3))},
    ),
    ("I2", "the wanted state is another", {"held": {NAME: Held(1, 1)}}),
    ("I2", "the applied image is stale", {"held": {NAME: Held(2, 1)}}),
    (
        "I2",
        "a secondary is behind",
        {"served": SERVED | {("ns2", NAME): frozenset({"1"})}},
    ),
    ("I2", "a server has nothing", {"served": SERVED | {("ns1", NAME): frozenset()}}),
    ("I2", "a server has two", {"served": SERVED | {("ns1", NAME): frozenset("12")}}),
    (
        "I3",
        "an older value after a newer",
        {"added": (*GOOD.added, marker(2, 10), added(1))},
    ),
    ("I4", "a marker goes back", {"added": (*GOOD.added, marker(1, 8))}),
    ("I4", "a marker twice", {"added": (*GOOD.added, marker(2, 9))}),
    ("I4", "a number goes back", {"added": (*GOOD.added, marker(3, 8))}),
    (
        "I4",
        "an epoch goes back with a restored zone",
        {"added": (*GOOD.added, Added(ZONE, RESTORED, ""), marker(2, 7))},
    ),
    ("I4", "a number carries twice", {"added": (*GOOD.added, marker(3, 9), added(2))}),
    ("I5", "a message without a row", {"added": (*GOOD.added, marker(2, 11))}),
    (
        "I5",
        "decided not applied, and it was",
        {
            "added": (*GOOD.added[:3], marker(2, 8), *GOOD.added[3:]),
            "batches": (
                GOOD.batches[0],
                Batch(ZONE, 2, 8, "not_applied"),
                GOOD.batches[2],
            ),
        },
    ),
    (
        "I5",
        "decided applied, and it was not",
        {"batches": (*GOOD.batches, Batch(ZONE, 2, 10, "applied"))},
    ),
    ("I5", "undecided", {"batches": (*GOOD.batches, Batch(ZONE, 2, 10, "sent"))}),
    (
        "I5",
        "a change that never was sent",
        {"added": (marker(1, 7), added(1), marker(2, 7), marker(2, 9))},
    ),
    ("I6", "an event is missing", {"published": GOOD.published[:2]}),
    ("I6", "two ids", {"published": (*GOOD.published, published("r2", event="other"))}),
    ("I6", "out of order", {"published": (published("r2"), published("r1"))}),
    ("I7", "two requests", {"requests": (FIRST, SECOND, FIRST._replace(id="r3"))}),
    (
        "I7",
        "two changes",
        {"changes": (*GOOD.changes, Change(3, "r1", ZONE, NAME, 1, 3, "superseded"))},
    ),
    ("I8", "a message without a trace", {"requests": (FIRST,)}),
    ("I8", "a message twice", {"dead": ("k2",)}),
    ("I9", "a secret", {"leaks": ("worker.log",)}),
    ("I10", "too late", {"recovery_s": 31.0}),
    ("I10", "never", {"recovery_s": None}),
]


@pytest.mark.parametrize(
    ("invariant", "changed"),
    [pytest.param(name, how, id=f"{name} {what}") for name, what, how in BROKEN],
)
def test_what_is_broken_is_found(invariant: str, changed: dict[str, Any]) -> None:
    found = checker.check(replace(GOOD, **changed))
    assert invariant in checker.invariants(found)


def test_each_invariant_is_broken_here() -> None:
    assert {name for name, _, _ in BROKEN} == set(checker.INVARIANTS)


def test_what_a_server_ignored_in_part_is_not_applied_and_in_its_log() -> None:
    error = "the server silently ignored b.example.test. A"
    ignored = Batch(ZONE, 2, 8, "not_applied", error)
    log = (*GOOD.added[:3], marker(2, 8), *GOOD.added[3:])
    batches = (GOOD.batches[0], ignored, GOOD.batches[2])
    assert checker.check(replace(GOOD, added=log, batches=batches)) == []


def test_a_restored_zone_has_an_old_number_and_goes_on_with_a_new_one() -> None:
    log = (
        *GOOD.added,
        Added(ZONE, RESTORED, ""),
        marker(3, 7),
        marker(3, 10),
        added(2),
    )
    batches = (*GOOD.batches, Batch(ZONE, 3, 10, "applied"))
    assert checker.check(replace(GOOD, added=log, batches=batches)) == []
    unnoticed = tuple(each for each in log if each.name != RESTORED)
    found = checker.check(replace(GOOD, added=unnoticed, batches=batches))
    assert checker.invariants(found) == {"I4", "I5"}


def test_a_violation_names_the_request_whose_timeline_tells() -> None:
    stuck = SECOND._replace(status="queued", finals=())
    first, *_ = checker.check(replace(GOOD, requests=(FIRST, stuck)))
    assert first == ("I1", "k2 is still queued", ("r2",))
