"""kill -9 anywhere: of every kind of request, each reaches one final state.

The process dies at a statement to the database: nothing that it began is committed,
nothing that it would do at its end is done. Another one finds what is left.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest
from django.db import connection

from dns_records.images import Key
from dns_records.models import AuditTask, Change, Lane, Record, Zone, ZoneImport
from dns_records.providers.memory import Faults
from dns_records.services import audits, changes, drift_requests, imports
from dns_records.services.imports import Order
from dns_records.services.parts import ManyZones, whole
from dns_records.services.revert import Revert
from dns_records.services.schedules import ScheduledChangeSet
from dns_records.services.sweep import Sweeper
from dns_records.tests import lives, world
from dns_records.tests.conftest import Broker
from dns_records.tests.world import ANYONE, draft
from dnsorch import clock
from requests_tracker import metrics
from requests_tracker.models import OutboxEvent, Request
from requests_tracker.status import FINAL
from requests_tracker.tests.factories import DOOR, origin

pytestmark = pytest.mark.django_db(transaction=True)

A, B = "192.0.2.1", "192.0.2.2"
#: How often each kind dies, at statements that lie evenly from its first to its last.
DEATHS = 10
SWEEPS = 5


class Killed(BaseException):
    """The process is gone."""


class Life:
    """Ends at a statement; after that none is done any more."""

    def __init__(self, ends_at: int | None) -> None:
        self.ends_at, self.statements = ends_at, 0

    def __call__(self, execute: Any, sql: str, *args: Any) -> Any:
        """Do a statement, unless the process is dead."""
        self.statements += 1
        # What is rolled back would be so without anybody's help.
        over = self.ends_at is not None and self.statements >= self.ends_at
        if over and not sql.startswith("ROLLBACK"):
            raise Killed
        return execute(sql, *args)


@contextmanager
def living(ends_at: int | None) -> Iterator[Life]:
    """Let what is done here end at a statement, if it comes so far."""
    life = Life(ends_at)
    try:
        with connection.execute_wrapper(life):
            yield life
    except Killed:
        pass


def sweep() -> None:
    """Do all that is due, as often as it becomes due again."""
    for _ in range(SWEEPS):
        let_time_pass()
        Sweeper().once()


def let_time_pass() -> None:
    """Let the leases of the dead be over, and every wait."""
    for zone in Zone.objects.all():
        world.hurry(zone)
        world.let_lease_expire(zone)
    Lane.objects.update(audit_claim=None)
    ZoneImport.objects.update(lease_expires_at=None, not_before=None)
    AuditTask.objects.update(due_at=clock.database_now())
    Change.objects.filter(next_check_at__isnull=False).update(next_check_at=clock.now())


# --- the kinds ------------------------------------------------------------------------


def an_import(zone: Zone) -> None:
    """Ask for what the server holds."""
    for name in ("a", "b", "c"):
        world.put_into_dns(zone, f"{name}.{zone.name}", "A", A)
    _import(Order(zone.name))


def a_file(zone: Zone) -> None:
    """Ask for what a zone file holds: partly there, partly to be sent."""
    world.put_into_dns(zone, f"a.{zone.name}", "A", A)
    text = f"$TTL 300\na A {A}\nb A {B}\nc A {B}\n"
    _import(Order(zone.name, file=io.BytesIO(text.encode()), digest="-"))


def _import(order: Order) -> None:
    asked = origin(action="import", received_at=clock.now())
    imports.submit(order, access=ANYONE, origin=asked, doorway=DOOR)


def an_audit(zone: Zone) -> None:
    """Ask for a comparison with a server that others have changed."""
    _drift(zone)
    drift_requests.audit(zone, ANYONE)


def a_restore(zone: Zone) -> None:
    """Ask for what is wanted to be written again."""
    _resolve(zone, "restore")


def an_adoption(zone: Zone) -> None:
    """Ask for what is served to be wanted."""
    _resolve(zone, "adopt")


def _resolve(zone: Zone, by: str) -> None:
    _drift(zone)
    drift_requests.audit(zone, ANYONE)
    audits.run_due(zone.pk)
    answer = drift_requests.resolve(
        zone, ANYONE, by=by, keys=[Key(f"{each}.{zone.name}", "A") for each in "ab"]
    )
    assert answer.status == 202


def _drift(zone: Zone) -> None:
    for name in "ab":
        world.add(name, A, zone=zone.name)
    sweep()
    for name in "ab":
        world.put_into_dns(zone, f"{name}.{zone.name}", "A", B)


def an_expiry(zone: Zone) -> None:
    """Let the lives of records be over."""
    world.post(draft("add", "a", "A", A, B), draft("add", "b", "A", A), zone=zone.name)
    sweep()
    over = clock.now()
    Record.objects.filter(rrset__zone=zone, rdata=A).update(expires_at=over)


def a_scheduled(zone: Zone) -> None:
    """Let the time of a change set have come."""
    asked = ScheduledChangeSet(
        zone.name, [draft("add", "a", "A", A)], not_before=clock.now()
    )
    world.submit(asked)
    lives.let_it_be_due()


def a_parent(zone: Zone) -> None:
    """Ask for changes of two zones."""
    _of_two(zone)


def a_compensation(zone: Zone) -> None:
    """Ask for changes of two zones, of which one server refuses its own."""
    other = _of_two(zone, on_failure="revert")
    refused = frozenset({f"a.{other.name}"})
    world.store_of(other).faults = Faults(refuse_names=refused)


def _of_two(zone: Zone, **fields: Any) -> Zone:
    other = world.make_zone(f"other-{zone.name}")
    names = [f"a.{zone.name}", f"a.{other.name}"]
    drafts = [draft("add", name, "A", A) for name in names]
    world.submit(whole(ManyZones(drafts, **fields)))
    return other


def a_revert(zone: Zone) -> None:
    """Ask for the way back."""
    first = world.add("a", A, zone=zone.name)
    sweep()
    asked = origin(received_at=clock.now())
    back = Revert(first.pk)
    answer = changes.submit(
        lambda: whole(back),
        access=ANYONE,
        origin=asked,
        operation=back.operation,
        doorway=DOOR,
    )
    assert answer.status == 202


KINDS: list[Callable[[Zone], None]] = [
    an_import,
    a_file,
    an_audit,
    a_restore,
    an_adoption,
    an_expiry,
    a_scheduled,
    a_parent,
    a_compensation,
    a_revert,
]
FAILS: dict[Callable[[Zone], None], set[str]] = {
    a_compensation: {"completed", "failed"}
}


@pytest.mark.parametrize("kind", KINDS)
def test_it_ends_once_wherever_the_process_dies(
    kind: Callable[[Zone], None], broker: Broker
) -> None:
    broker.go_down()
    numbers = count()

    def one(ends_at: int | None) -> int:
        zone = world.make_zone(f"n{next(numbers)}.test.")
        kind(zone)
        assert Request.objects.exclude(status__in=FINAL).exists() or kind is an_expiry
        with living(ends_at) as life:
            sweep()
        if ends_at is not None:
            sweep()
        _check_the_end(FAILS.get(kind, {"completed"}))
        if kind is not an_audit:  # which leaves what it has found
            for each in Zone.objects.all():
                assert world.served(each) == world.wanted(each)
        return life.statements

    whole_life = one(None)
    for death in range(DEATHS):
        one(1 + death * (whole_life - 1) // (DEATHS - 1))


def _check_the_end(states: set[str]) -> None:
    """See that all that was asked for has ended, once, and that DNS is as wanted."""
    # What was put back a second time found nothing to do, and says so.
    again = Request.objects.filter(action="reconcile", status="rejected")
    found = Request.objects.exclude(pk__in=again.values("pk"))
    assert set(found.values_list("status", flat=True)) == states
    ended = OutboxEvent.objects.values_list("request", flat=True)
    assert sorted(ended) == sorted(Request.objects.values_list("pk", flat=True))
    assert not Change.objects.filter(status__in=["pending", "sent"]).exists()
    assert not AuditTask.objects.exists()
    assert not ZoneImport.objects.filter(ended_at=None).exists()
    assert not metrics.overdue(clock.now()).exists()
    for zone in Zone.objects.all():
        assert world.wanted(zone) == world.applied(zone)
