"""Whatever is accepted, adopted, expires, is put back, cancelled, refused or lost.

The wanted state is always the applied images with all that is undecided replayed in
accepted order, and in the end the DNS service holds it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dns_records.drafts import Draft
from dns_records.images import Image, Key
from dns_records.models import Batch, Change, Record, RRset, Zone
from dns_records.providers.base import RRsetChange
from dns_records.providers.memory import Faults
from dns_records.services import (
    adoption,
    changes,
    compensation,
    delivery,
    expiry,
    outcomes,
    verification,
    withdrawal,
)
from dns_records.tests.world import (
    applied,
    draft,
    hurry,
    let_lease_expire,
    make_zone,
    post,
    put_into_dns,
    replayed,
    served,
    store_of,
    wanted,
)
from dnsorch import clock
from dnsorch.exceptions import Conflict, DnsorchError, IllegalTransition
from requests_tracker.models import OutboxEvent, Request
from requests_tracker.services import lifecycle
from requests_tracker.status import FINAL, Status
from requests_tracker.tests.factories import origin

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


def adopt(label: str, index: int) -> Act:
    """Return the act of taking over what other hands did at a name."""

    def act(zone: Zone) -> None:
        held = Key(f"{label}.example.test.", "A")
        served_now = store_of(zone).rrsets
        if (held.name, "CNAME") in served_now:
            return
        if not Change.objects.filter(status="sent", name=held.name).exists():
            values = [(), *((each,) for each in RDATA["A"])][index]
            put_into_dns(zone, held.name, "A", *values)
        _take_over(zone, held)

    return act


def _take_over(zone: Zone, held: Key) -> None:
    """Have what is served adopted; else, in motion or refused, as it was applied."""
    there = store_of(zone).rrsets.get((held.name, held.type))
    image = Image.of(there.ttl, there.records) if there else None
    asked = origin(action="resolve_drift", received_at=clock.now())
    request = asked.request()
    request.zone = zone.name
    lifecycle.open_queued(request, [asked.received()])
    found = adoption.adopt(zone, {held: image}, request)
    lifecycle.move([request.pk], Status.PROVISIONING, [])
    lifecycle.move([request.pk], Status.VERIFYING, [])
    outcomes.complete(zone.pk, [request.pk], [])
    if held in found.in_motion or held in found.refused:
        _put_back(zone, held)


def _put_back(zone: Zone, held: Key) -> None:
    if Change.objects.filter(status="sent", name=held.name).exists():
        return  # nobody has touched it
    row = RRset.objects.filter(zone=zone, name=held.name, type=held.type).first()
    image = Image.load(row.applied) if row else None
    rrsets = store_of(zone).rrsets
    rrsets.pop((held.name, held.type), None)
    if image:
        rrsets[held.name, held.type] = RRsetChange(
            held.name, held.type, image.ttl, image.records
        )


def expire(label: str) -> Act:
    """Return the act of ending the lives of the records of a name."""

    def act(zone: Zone) -> None:
        rows = Record.objects.filter(rrset__name=f"{label}.example.test.")
        rows.update(expires_at=clock.now() - timedelta(seconds=1))
        expiry.remove_due()

    return act


def compensate(index: int) -> Act:
    """Return the act of putting back what a request did, as one part for another."""

    def act(zone: Zone) -> None:
        done = list(Request.objects.filter(status="completed").order_by("pk"))
        if not done:
            return
        asked = origin(action="revert", received_at=clock.now())
        request = asked.request()
        request.zone = zone.name
        try:
            with transaction.atomic():
                prepared = compensation.prepare(done[index % len(done)])
                changes.store(request, asked, prepared)
        except DnsorchError as error:
            assert error.status < 500

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
adoptions = st.builds(adopt, st.sampled_from(NAMES), st.integers(0, 2))
expiries = st.builds(expire, st.sampled_from(NAMES))
compensations = st.builds(compensate, st.integers(0, 20))
later = st.one_of(adoptions, expiries, compensations)
drains = st.builds(drain, st.sampled_from(FAULTS))
acts = st.lists(
    st.one_of(accepts, accepts, accepts, take_outs, later, drains),
    min_size=3,
    max_size=16,
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
