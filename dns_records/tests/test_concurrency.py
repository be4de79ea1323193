"""Everybody at once: who posts, cancels, drains, checks and sweeps.

On SQLite writers take turns; on PostgreSQL (``make test-services``) the same test
shows lost updates and deadlocks.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction

from dns_records.models import Batch, Change, Zone
from dns_records.providers.memory import Faults
from dns_records.services import delivery, operations, sweep, verification
from dns_records.services import wanted as wanted_services
from dns_records.tests.world import (
    ANYONE,
    applied,
    draft,
    fresh,
    hurry,
    let_lease_expire,
    make_zone,
    post,
    served,
    store_of,
    wanted,
)
from dnsorch.exceptions import IllegalTransition
from requests_tracker.models import OutboxEvent, Request
from requests_tracker.status import FINAL

POSTS = 15
POSTERS = 3
NAMES = ("a", "b", "c", "d")


def poster(seed: int) -> None:
    """Post change sets over few names; cancel or hurry some of them."""
    chance = random.Random(seed)
    for number in range(POSTS):
        names = chance.sample(NAMES, chance.choice([1, 1, 2, 3]))
        value = f"192.0.2.{chance.randrange(6)}"
        action = chance.choice(["put", "add", "add", "remove", "create", "delete"])
        values = () if action == "delete" else (value,)
        request = post(*(draft(action, name, "A", *values) for name in names))
        if chance.random() < 0.3 and request.status == "queued":
            act = chance.choice([operations.cancel, operations.hurry])
            try:
                act(ANYONE, fresh(request))
            except IllegalTransition:
                assert fresh(request).status != "queued"


def worker(zone: Zone, seed: int, stop: threading.Event) -> None:
    """Drain, check and sweep, to a server that refuses a name now and then."""
    chance = random.Random(seed)
    while not stop.is_set():
        refused = frozenset({f"{chance.choice(NAMES)}.example.test."})
        store_of(zone).faults = chance.choice([Faults(), Faults(refuse_names=refused)])
        delivery.drain(zone.pk)
        verification.check(zone.pk)
        sweep.Sweeper().once()
        stop.wait(0.001)


def closing(act: Callable[..., None], *arguments: object) -> None:
    """Do something on a connection of one's own."""
    try:
        act(*arguments)
    finally:
        connection.close()


def finish(zone: Zone) -> None:
    """Bring everything to its end, in at most ten seconds."""
    store_of(zone).faults = Faults()
    end = time.monotonic() + 10
    while Request.objects.exclude(status__in=FINAL).exists():
        assert time.monotonic() < end, list(Request.objects.values("status", "error"))
        hurry(zone)
        let_lease_expire(zone)
        delivery.drain(zone.pk)
        verification.check(zone.pk)


@pytest.mark.django_db(transaction=True)
def test_everybody_at_once_loses_nothing_and_waits_for_nobody_for_ever() -> None:
    zone = make_zone()
    stop = threading.Event()
    with ThreadPoolExecutor(POSTERS + 2) as pool:
        workers = [
            pool.submit(closing, worker, zone, seed, stop) for seed in (100, 200)
        ]
        posters = [pool.submit(closing, poster, seed) for seed in range(POSTERS)]
        try:
            for future in posters:
                future.result(60)
        finally:
            stop.set()
        for future in workers:
            future.result(60)
    finish(zone)
    assert Request.objects.count() == POSTS * POSTERS
    assert OutboxEvent.objects.count() == POSTS * POSTERS
    places = OutboxEvent.objects.exclude(event_seq=None).order_by("event_seq")
    numbers = list(places.values_list("event_seq", flat=True))
    assert numbers == list(range(1, len(numbers) + 1))
    assert not Change.objects.filter(status__in=["pending", "sent"]).exists()
    assert not Batch.objects.filter(status="sent").exists()
    assert served(zone) == applied(zone) == wanted(zone)
    for request in Request.objects.prefetch_related("events"):
        events = [event.sequence for event in request.events.all()]
        assert events == list(range(1, request.last_sequence + 1))


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif("connection.vendor != 'postgresql'")
def test_results_do_not_wait_for_who_has_locked_the_name() -> None:
    """The holder of the name may wait for the RRset, whose row the results move."""
    zone = make_zone()
    requests = [post(draft("put", "www", "A", f"192.0.2.{n}")) for n in (1, 2)]
    locked, done = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            wanted_services.lock(zone, {"www.example.test."})
            locked.set()
            assert done.wait(10)

    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(closing, hold)
        assert locked.wait(10)
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '2s'")
        try:
            delivery.drain(zone.pk)
        finally:
            done.set()
            with connection.cursor() as cursor:
                cursor.execute("RESET lock_timeout")
        holding.result()
    assert [fresh(each).status for each in requests] == ["verifying"] * 2
