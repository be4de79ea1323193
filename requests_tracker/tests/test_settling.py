"""The state of a request with parts follows from theirs."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from uuid import UUID, uuid4

import pytest

from requests_tracker import settling
from requests_tracker.status import FINAL, TRANSITIONS, Status


@dataclass
class Part:
    """A part in some state."""

    status: str
    compensates_id: UUID | None = None


@pytest.mark.parametrize(
    ("states", "due"),
    [
        ("queued queued", "queued"),
        ("queued cancelled", "queued"),
        ("provisioning queued", "provisioning"),
        ("verifying queued", "provisioning"),
        ("completed queued", "provisioning"),
        ("failed queued", "provisioning"),
        ("verifying provisioning", "provisioning"),
        ("verifying verifying", "verifying"),
        ("verifying completed failed", "verifying"),
        ("completed completed", "completed"),
        ("completed failed", "failed"),
        ("completed cancelled", "failed"),
        ("failed failed", "failed"),
        ("cancelled failed", "failed"),
        ("cancelled cancelled", "cancelled"),
        ("", "completed"),
    ],
)
def test_the_state_of_the_whole(states: str, due: str) -> None:
    parts = [Part(each) for each in states.split()]
    assert settling.due(parts, complete=True) == due
    assert settling.due(reversed(parts), complete=True) == due


@pytest.mark.parametrize(
    ("states", "due"),
    [("", "provisioning"), ("queued", "provisioning"), ("completed", "provisioning")],
)
def test_while_there_may_be_more_parts_it_is_not_final(states: str, due: str) -> None:
    parts = [Part(each) for each in states.split()]
    assert settling.due(parts, complete=False) == due


@pytest.mark.parametrize(
    ("back", "due"), [("queued", "verifying"), ("rejected", "failed")]
)
def test_it_waits_for_what_puts_a_part_back(back: str, due: str) -> None:
    parts = [Part("completed"), Part("failed"), Part(back, uuid4())]
    assert settling.due(parts, complete=True) == due


@pytest.mark.parametrize(("before", "after"), [*product(Status, Status)])
def test_a_path_has_allowed_steps_only(before: Status, after: Status) -> None:
    way = [before, *settling.path(before, after)]
    assert all(b in TRANSITIONS[a] for a, b in zip(way, way[1:], strict=False))
    assert way[-1] == after or way == [before]


@pytest.mark.parametrize("after", sorted(FINAL - {Status.REJECTED}))
def test_from_the_queue_there_is_a_way_to_each_end(after: Status) -> None:
    assert settling.path(Status.QUEUED, after)[-1] == after
