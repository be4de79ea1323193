"""Everybody at once over several zones: parts, PTR records, cancels, put-backs.

On SQLite writers take turns; on PostgreSQL the same test shows deadlocks between zones.
"""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from dns_records.models import Change, Zone
from dns_records.providers.memory import Faults
from dns_records.services import delivery, operations, sweep, verification
from dns_records.services.changes import ChangeSet
from dns_records.services.parts import ManyZones, Whole
from dns_records.tests.test_concurrency import closing
from dns_records.tests.world import (
    ANYONE,
    draft,
    fresh,
    hurry,
    make_zone,
    served,
    store_of,
    submit,
    wanted,
)
from dnsorch.exceptions import IllegalTransition
from requests_tracker.models import OutboxEvent, Request
from requests_tracker.services import lifecycle
from requests_tracker.status import FINAL

pytestmark = pytest.mark.django_db(transaction=True)

POSTS = 10
POSTERS = 3
REVERSE, FIRST, SECOND = "2.0.192.in-addr.arpa.", "a.test.", "b.test."


def poster(seed: int) -> None:
    """Post over one zone or two, with PTR records; cancel or hurry some."""
    chance = random.Random(seed)
    for _ in range(POSTS):
        names = [f"{chance.choice('xy')}.{zone}" for zone in (SECOND, FIRST)]
        value = f"192.0.2.{chance.randrange(4)}"
        drafts = [draft("put", name, "A", value, ptr=True) for name in names]
        several = ManyZones(drafts, on_failure=chance.choice(["keep", "revert"]))
        one = ChangeSet(FIRST, [draft("put", names[1], "A", value, ptr=True)])
        answer = submit(chance.choice([Whole(several), Whole(one)]))
        assert answer.request_id is not None
        request = Request.objects.get(pk=answer.request_id)
        if chance.random() < 0.4 and not request.is_final:
            act = chance.choice([operations.cancel, operations.hurry])
            try:
                act(ANYONE, fresh(request))
            except IllegalTransition:
                pass


def worker(zones: list[Zone], seed: int, stop: threading.Event) -> None:
    """Drain, check and sweep, to servers that refuse a name now and then."""
    chance = random.Random(seed)
    while not stop.is_set():
        for zone in chance.sample(zones, len(zones)):
            refused = frozenset({f"x.{zone.name}"})
            faults = chance.choice([Faults(), Faults(refuse_names=refused)])
            store_of(zone).faults = faults
            delivery.drain(zone.pk)
            verification.check(zone.pk)
        sweep.Sweeper().once()
        stop.wait(0.001)


def finish(zones: list[Zone]) -> None:
    """Let all that is open end."""
    for _ in range(200):
        for zone in zones:
            store_of(zone).faults = Faults()
            hurry(zone)
            delivery.drain(zone.pk)
            verification.check(zone.pk)
        sweep.Sweeper().once()
        if not Request.objects.exclude(status__in=FINAL).exists():
            return
    raise AssertionError(list(Request.objects.exclude(status__in=FINAL).values()))


def test_over_several_zones() -> None:
    # The reverse zone is in the middle of the order of locking.
    zones = [make_zone(name) for name in (FIRST, REVERSE, SECOND)]
    stop = threading.Event()
    with ThreadPoolExecutor(POSTERS + 2) as pool:
        workers = [pool.submit(closing, worker, zones, seed, stop) for seed in (7, 8)]
        posters = [pool.submit(closing, poster, seed) for seed in range(POSTERS)]
        try:
            for future in posters:
                future.result(120)
        finally:
            stop.set()
        for future in workers:
            future.result(120)
    finish(zones)
    assert Request.objects.filter(part_of=None).count() == POSTS * POSTERS
    assert OutboxEvent.objects.count() == Request.objects.count()
    assert lifecycle.unsettled(10) == []
    assert not Change.objects.filter(status__in=["pending", "sent"]).exists()
    for zone in zones:
        assert served(zone) == wanted(zone)
    for parent in Request.objects.exclude(parts_expected=None):
        told = [data for data in parent.events.values_list("data", flat=True)]
        ended = [data["part"] for data in told if "part" in data]
        parts = parent.parts.values_list("pk", flat=True)
        assert sorted(ended) == sorted(map(str, parts))
