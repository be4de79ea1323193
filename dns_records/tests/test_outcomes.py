"""Final states: in the order of their zone, each once, each in the outbox."""

from __future__ import annotations

import pytest

from dns_records.models import Zone
from dns_records.services import outcomes
from dns_records.tests.world import add, fresh, make_zone, states, told
from dnsorch.exceptions import Conflict
from requests_tracker.models import OutboxEvent, Request, Step
from requests_tracker.services.timeline import Entry
from requests_tracker.status import Status

pytestmark = pytest.mark.django_db


def places() -> list[tuple[str, str, int | None]]:
    """Return zone, type and place of every outcome, in order of writing."""
    rows = OutboxEvent.objects.order_by("pk")
    return list(rows.values_list("zone", "type", "event_seq"))


def test_each_zone_numbers_its_outcomes(zone: Zone) -> None:
    other = make_zone("other.test.")
    mine = [add(f"n{index}", "192.0.2.1") for index in range(3)]
    theirs = add("n", "192.0.2.1", zone=other.name)
    Request.objects.update(status=Status.VERIFYING)
    outcomes.complete(zone.pk, [mine[1].pk, mine[0].pk], [])
    outcomes.fail(other.pk, {theirs.pk: Conflict("no")})
    outcomes.fail(zone.pk, {mine[2].pk: Conflict("no")})
    assert places() == [
        (zone.name, "completed", 1),
        (zone.name, "completed", 2),
        (other.name, "failed", 1),
        (zone.name, "failed", 3),
    ]
    zone.refresh_from_db()
    assert zone.event_seq == 3


def test_what_is_told_before_a_final_state(zone: Zone) -> None:
    first, second = add("a", "192.0.2.1"), add("b", "192.0.2.1")
    Request.objects.update(status=Status.VERIFYING)
    entry = Entry(Step.VERIFIED, "live")
    outcomes.complete(zone.pk, [first.pk], [entry])
    outcomes.fail(zone.pk, {second.pk: Conflict("no")}, before=lambda request: [entry])
    assert told(first) == ["verified", "completed"]
    assert told(second) == ["verified", "failed"]
    assert fresh(second).error == {"code": "conflict", "detail": "no"}


def test_a_final_state_is_reached_once(zone: Zone) -> None:
    request = add("a", "192.0.2.1")
    assert len(outcomes.cancel(zone.pk, [request.pk], "team-web")) == 1
    assert outcomes.cancel(zone.pk, [request.pk], "team-web") == []
    assert outcomes.fail(zone.pk, {request.pk: Conflict("no")}) == []
    assert outcomes.complete(zone.pk, [request.pk], []) == []
    assert states() == ["cancelled"]
    assert places() == [(zone.name, "cancelled", 1)]
    zone.refresh_from_db()
    assert zone.event_seq == 1


def test_numbers_are_taken_by_the_piece(zone: Zone) -> None:
    assert outcomes.take_sequence(zone.pk, 3) == 3
    assert outcomes.take_sequence(zone.pk, 1) == 4
