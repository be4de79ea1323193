"""How many SQL statements a lane takes: as many for fifty change sets as for two."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from dns_records.models import Zone
from dns_records.services import delivery, verification
from dns_records.tests import world
from requests_tracker.models import Request


def count(call: Callable[[int], Any], zone: Zone) -> int:
    """Return how many statements a call took."""
    with CaptureQueriesContext(connection) as context:
        call(zone.pk)
    return len(context.captured_queries)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("call", "most"), [(delivery.drain, 25), (verification.check, 17)]
)
def test_a_message_costs_what_it_costs(
    zone: Zone, call: Callable[[int], Any], most: int
) -> None:
    found: list[int] = []
    for number in (2, 2, 50):
        for index in range(number):
            world.add(f"{number}-{index}", world.address(len(found)))
        if call is verification.check:
            delivery.drain(zone.pk)
        found.append(count(call, zone))
        delivery.drain(zone.pk)
        verification.check(zone.pk)
    # The first one sets the marker.
    assert found[1] == found[2] <= most
    assert set(Request.objects.values_list("status", flat=True)) == {"completed"}
