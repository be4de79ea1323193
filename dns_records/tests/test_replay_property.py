"""Whatever is accepted, cancelled, refused, lost and drained, the state is right.

The wanted state is always the applied images with all that is undecided replayed in
accepted order, and in the end the DNS service holds it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dns_records.drafts import Draft
from dns_records.models import Batch, Change, Zone
from dns_records.providers.memory import Faults
from dns_records.services import delivery, verification, withdrawal
from dns_records.tests.world import (
    applied,
    draft,
    hurry,
    let_lease_expire,
    make_zone,
    post,
    replayed,
    served,
    store_of,
    wanted,
)
from dnsorch.exceptions import Conflict, IllegalTransition
from requests_tracker.models import OutboxEvent, Request
from requests_tracker.status import FINAL

Act = Callable[[Zone], None]

NAMES = ("a", "b", "c")
RDATA = {"A": ("192.0.2.1", "192.0.2.2"), "CNAME": ("x.test.", "y.test.")}


@st.composite
def drafts(draw: st.DrawFn) -> Draft:
    """Draw one operation on one of few RRsets."""
    rtype = draw(st.sampled_from(["A", "A", "CNAME"]))
    action = draw(
        st.sampled_from(["put", "create", "replace", "delete", "add", "remove"])
    )
    values = () if action == "delete" else (draw(st.sampled_from(RDATA[rtype])),)
    ttl = draw(st.sampled_from([None, 60]))
    return draft(action, draw(st.sampled_from(NAMES)), rtype, *values, ttl=ttl)


def accept(written: Sequence[Draft]) -> Act:
    """Return the act of posting a change set."""
    return lambda zone: void(post(*written))


def take_out(how: str, index: int) -> Act:
    """Return the act of cancelling or failing one of the requests."""

    def act(zone: Zone) -> None:
        requests = list(Request.objects.order_by("pk"))
        if not requests:
            return
        request = requests[index % len(requests)]
        if how == "fail":
            withdrawal.fail(zone, {request.pk: Conflict("on purpose")})
            return
        try:
            withdrawal.cancel(zone, request.pk, "team-web")
        except IllegalTransition:
            assert request.status != "queued"

    return act


def drain(faults: Faults) -> Act:
    """Return the act of draining the lane to a server that misbehaves."""

    def act(zone: Zone) -> None:
        store_of(zone).faults = faults
        hurry(zone)
        let_lease_expire(zone)
        delivery.drain(zone.pk)
        store_of(zone).faults = Faults()

    return act


def void(value: Any) -> None:
    """Forget a value."""


def name(label: str) -> frozenset[str]:
    """Return a set of one name of the zone."""
    return frozenset({f"{label}.example.test."})


FAULTS = [
    Faults(),
    Faults(unreachable=True),
    Faults(lose_message=True),
    Faults(lose_answer=True),
    Faults(refuse_all=True),
    *(Faults(refuse_names=name(label)) for label in NAMES[:2]),
    *(Faults(ignore_names=name(label)) for label in NAMES[1:]),
    Faults(ignore_names=name("b"), lose_answer=True),
]
accepts = st.builds(accept, st.lists(drafts(), min_size=1, max_size=3))
take_outs = st.builds(take_out, st.sampled_from(["cancel", "fail"]), st.integers(0, 20))
drains = st.builds(drain, st.sampled_from(FAULTS))
acts = st.lists(
    st.one_of(accepts, accepts, accepts, take_outs, drains), min_size=3, max_size=16
)


def finish(zone: Zone) -> None:
    """Bring everything to its end, on a server that behaves."""
    for _ in range(3):
        drain(Faults())(zone)
        verification.check(zone.pk)
    states = set(Request.objects.values_list("status", flat=True))
    assert states <= FINAL
    assert OutboxEvent.objects.count() == Request.objects.count()
    places = OutboxEvent.objects.exclude(event_seq=None).order_by("event_seq")
    numbers = list(places.values_list("event_seq", flat=True))
    assert numbers == list(range(1, len(numbers) + 1))
    assert not Change.objects.filter(status__in=["pending", "sent"]).exists()
    assert served(zone) == applied(zone) == wanted(zone)


@pytest.mark.django_db
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(acts)
def test_the_wanted_state_is_what_is_applied_and_what_is_undecided(
    acts: list[Act],
) -> None:
    with transaction.atomic():
        zone = make_zone()
        for act in acts:
            act(zone)
            assert wanted(zone) == replayed(zone)
            if not Batch.objects.filter(status="sent").exists():
                assert served(zone) == applied(zone)
        finish(zone)
        transaction.set_rollback(True)
