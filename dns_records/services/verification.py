"""Asking every name server of a zone whether it answers with the change.

A stage of its own, without the lease. A check passes on the image of its change or
of any later one that was applied. What is not there yet is asked for again, later
each time, until the zone's verification deadline.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from dns_records import nameservers, retry, serials
from dns_records.images import Image
from dns_records.models import Change, ChangeStatus, VerifyPolicy, Zone
from dns_records.nameservers import Answer, Question, Report
from dns_records.services import observations, outcomes, serial_watch, zones
from dns_records.services.observations import Heard
from dnsorch import clock, prepared, tracing
from dnsorch.exceptions import DnsorchError, Reason
from dnsorch.prepared import Json, Update
from requests_tracker.models import Request, Step
from requests_tracker.services import statements, timeline
from requests_tracker.services.timeline import Entry
from requests_tracker.status import Status

MAX_CHANGES = 2000
# For so long nobody else asks for the same changes.
CLAIM = timedelta(seconds=10)
SOON = timedelta(seconds=1)


class NotVerified(DnsorchError):
    """Not every name server answered with the change before the deadline."""

    code = "not_verified"


@dataclass(frozen=True)
class Policy:
    """Which name servers are asked, and how many of them have to agree."""

    addresses: tuple[str, ...]
    needed: int

    @classmethod
    def of(cls, zone: Zone) -> Policy:
        """Return the policy of a zone; its first name server is the primary."""
        every = tuple(zone.nameservers)
        if zone.verify_policy == VerifyPolicy.NONE:
            return cls((), 0)
        if zone.verify_policy == VerifyPolicy.PRIMARY:
            return cls(every[:1], 1)
        if zone.verify_policy == VerifyPolicy.K_OF_N:
            return cls(every, zone.verify_k or len(every))
        return cls(every, len(every))


@dataclass(frozen=True)
class Written:
    """What a round of questions has changed.

    ``before`` has the name servers that each change was seen at earlier; ``done`` are
    the requests that are verified now.
    """

    requests: Mapping[UUID, Request]
    changes: Sequence[Change]
    before: Mapping[int, frozenset[str]]
    done: Sequence[UUID]


def check(zone_id: int) -> bool:
    """Ask for all that is due in a zone; say whether more is due within a second."""
    zone = zones.by_id(zone_id)
    if zone is None:
        return False
    policy = Policy.of(zone)
    changes = _claim(zone)
    if changes:
        with tracing.span("dns.verify", attributes={"dns.zone": zone.name}):
            at = clock.now()
            heard = _ask(zone, policy, changes)
            with transaction.atomic():
                written = _write(zone, policy, changes, [each.report for each in heard])
            _remember_serial(zone, [each.report for each in heard], at)
            _tell(zone, heard, written)
    return bool(_due(zone_id, clock.now() + SOON, limit=1))


def _claim(zone: Zone) -> list[Change]:
    """Take the due checks, and with them all that is open on the same RRsets."""
    now = clock.now()
    with transaction.atomic():
        due = set(_lock_due(zone.pk, now, limit=MAX_CHANGES))
        if not due:
            return []
        _put_off(due, now + CLAIM)
        return _open_checks(due)


def _due_at(zone_id: int, now: datetime) -> QuerySet[Change]:
    return Change.objects.filter(zone=zone_id, next_check_at__lte=now).order_by("id")


@prepared.rows
def _due(zone_id: int, now: datetime, *, limit: int) -> QuerySet[Change, int]:
    return _due_at(zone_id, now).values_list("rrset_id", flat=True)[:limit]


@prepared.rows
def _lock_due(zone_id: int, now: datetime, *, limit: int) -> QuerySet[Change, int]:
    locked = _due_at(zone_id, now).select_for_update()
    return locked.values_list("rrset_id", flat=True)[:limit]


def _open_of(rrset_ids: Collection[int]) -> QuerySet[Change]:
    mine = Change.objects.filter(rrset__pk__in=rrset_ids)
    return mine.filter(next_check_at__isnull=False)


@prepared.update
def _put_off(rrset_ids: Collection[int], until: datetime) -> Update:
    return _open_of(rrset_ids), {"next_check_at": until}


@prepared.rows
def _open_checks(rrset_ids: Collection[int]) -> QuerySet[Change]:
    return _open_of(rrset_ids).order_by("id")


def _ask(zone: Zone, policy: Policy, changes: Sequence[Change]) -> list[Heard]:
    """Ask each name server for what it has not shown yet, all at the same time."""
    questions: dict[str, list[Question]] = {address: [] for address in policy.addresses}
    for change in changes:
        seen = observations.servers_of(change)
        for address in policy.addresses:
            if address not in seen:
                questions[address] += nameservers.questions_for(
                    zone.name, change.name, change.type, absent=change.after is None
                )
    asked = [(address, each) for address, each in questions.items() if each]
    if not asked:
        return []

    def ask_one(what: tuple[str, list[Question]]) -> Heard:
        address, own = what
        timeout, started = settings.DNSORCH_QUERY_TIMEOUT_S, tracing.now()
        report = nameservers.ask(address, zone.name, own, timeout=timeout)
        return Heard(report, started, tracing.now())

    if len(asked) == 1:
        return [ask_one(asked[0])]
    with ThreadPoolExecutor(max_workers=min(len(asked), 8)) as pool:
        return list(pool.map(ask_one, asked))


def _write(
    zone: Zone, policy: Policy, asked: Sequence[Change], reports: Sequence[Report]
) -> Written:
    """Write what was seen and close what is done."""
    ids = {change.request_id for change in asked}
    locked = statements.lock_in(ids, states=(Status.VERIFYING,))
    requests = {each.pk: each for each in locked}
    still = _still_open([change.pk for change in asked])
    changes = [change for change in still if change.request_id in requests]
    before = {change.pk: observations.servers_of(change) for change in changes}
    for report in reports:
        _note_seen(zone, report, changes)
    _settle(policy, changes)
    _save(changes)
    grown = {c.request_id for c in changes if len(c.nameservers) > len(before[c.pk])}
    done = _close(zone, policy, requests, changes, reports, grown)
    return Written(requests, changes, before, done)


@prepared.rows
def _still_open(change_ids: Collection[int]) -> QuerySet[Change]:
    mine = Change.objects.filter(pk__in=change_ids, next_check_at__isnull=False)
    return mine.order_by("id")


def _save(changes: Iterable[Change]) -> None:
    """Store what was decided: a statement for all changes of which it is the same."""
    same: dict[tuple[str, datetime | None, str], list[Change]] = defaultdict(list)
    for change in changes:
        seen = json.dumps(change.nameservers)
        same[change.status, change.next_check_at, seen].append(change)
    for own in same.values():
        ids = [change.pk for change in own]
        _note(ids, own[0].status, own[0].next_check_at, Json(own[0].nameservers))


@prepared.update
def _note(
    change_ids: Collection[int], status: str, again: datetime | None, seen: Json
) -> Update:
    values = {"status": status, "next_check_at": again, "nameservers": seen}
    return Change.objects.filter(pk__in=change_ids), values


def _tell(zone: Zone, heard: Sequence[Heard], written: Written) -> None:
    """Tell traces and metrics, once it is committed."""
    changes, before = written.changes, written.before
    observations.answers(zone, heard, written.requests, changes, before)
    for each in heard:
        address = each.report.address
        now_shown = [
            change
            for change in changes
            if address in observations.servers_of(change) - before[change.pk]
        ]
        observations.seen(address, now_shown)
    # One change of each request: they were all applied by one UPDATE.
    first = {change.request_id: change for change in reversed(changes)}
    observations.verified(zone, [first[key] for key in written.done if key in first])


def _remember_serial(zone: Zone, reports: Sequence[Report], at: datetime) -> None:
    """Keep the serial that the primary had, for the watch and for people."""
    for report in reports:
        if report.address == zone.nameservers[0] and report.serial is not None:
            serial_watch.remember(zone, report.serial, at)


def _note_seen(zone: Zone, report: Report, changes: Iterable[Change]) -> None:
    """Note on each change that this server shows it, or a later one of its RRset."""
    now = clock.iso(clock.now())
    by_rrset: dict[int, list[Change]] = defaultdict(list)
    for change in changes:
        by_rrset[change.rrset_id].append(change)
    for own in by_rrset.values():
        shown = [index for index, each in enumerate(own) if _shows(zone, report, each)]
        for change in own[: shown[-1] + 1 if shown else 0]:
            if all(each["address"] != report.address for each in change.nameservers):
                change.nameservers.append(
                    {
                        "address": report.address,
                        "seen_at": now,
                        "serial": report.serial,
                    }
                )


def _shows(zone: Zone, report: Report, change: Change) -> bool:
    """Say whether a server shows a change, or never will: below a delegation."""
    question = Question(change.name, change.type)
    return question in report.hidden or nameservers.shows(
        report, zone.name, question, _answer(change)
    )


def _answer(change: Change) -> Answer | None:
    image = Image.load(change.after)
    return Answer(image.ttl, image.records) if image else None


def _settle(policy: Policy, changes: Iterable[Change]) -> None:
    """Decide for each change whether it is live, late, or asked for again."""
    now = clock.now()
    for change in changes:
        assert change.applied_at and change.check_deadline_at  # set when applied
        if _is_live(policy, change):
            change.next_check_at = None
            if change.status == ChangeStatus.APPLIED:
                change.status = ChangeStatus.VERIFIED
        elif now >= change.check_deadline_at:
            change.next_check_at = None
        else:
            again = now + retry.next_check(now - change.applied_at)
            change.next_check_at = min(again, change.check_deadline_at)


def _is_live(policy: Policy, change: Change) -> bool:
    seen = observations.servers_of(change)
    return len(seen & set(policy.addresses)) >= policy.needed


def _close(
    zone: Zone,
    policy: Policy,
    requests: Mapping[UUID, Request],
    changes: Sequence[Change],
    reports: Sequence[Report],
    grown: set[UUID],
) -> list[UUID]:
    """Close the requests that are decided; tell the others how far they are.

    Returns those that are verified.
    """
    waiting = set(_waiting(list(requests)))
    late: dict[UUID, list[Change]] = defaultdict(list)
    for change in changes:
        if change.next_check_at is None and not _is_live(policy, change):
            late[change.request_id].append(change)
    done = [key for key in requests if key not in waiting and key not in late]
    _tell_propagating(zone, policy, changes, (grown & waiting) - set(late))
    if late:
        Change.objects.filter(request__in=late).update(next_check_at=None)
        outcomes.fail(
            zone.pk,
            {key: _not_verified(policy, own, reports) for key, own in late.items()},
        )
    if done:
        entry = _verified_entry(zone, policy, reports)
        outcomes.complete(zone.pk, done, [entry], requests)
    return done


@prepared.rows
def _waiting(request_ids: Collection[UUID]) -> QuerySet[Change, UUID]:
    mine = Change.objects.filter(request__pk__in=request_ids)
    waiting = mine.filter(next_check_at__isnull=False)
    return waiting.values_list("request_id", flat=True)


def _verified_entry(zone: Zone, policy: Policy, reports: Sequence[Report]) -> Entry:
    if not policy.needed:
        return Entry(Step.VERIFIED, f"{zone.name} asks no name server")
    serials = {each.address: each.serial for each in reports}
    who = ", ".join(policy.addresses)
    count = f"{policy.needed} of {len(policy.addresses)}"
    text = f"answered by {who}" if policy.needed == len(policy.addresses) else count
    return Entry(Step.VERIFIED, f"live: {text}", data={"serials": serials})


def _tell_propagating(
    zone: Zone, policy: Policy, changes: Sequence[Change], request_ids: set[UUID]
) -> None:
    """Tell which name servers have all of a request and which do not."""
    by_missing: dict[tuple[str, ...], list[UUID]] = defaultdict(list)
    for request_id in request_ids:
        own = [change for change in changes if change.request_id == request_id]
        by_missing[tuple(_missing(policy, own))].append(request_id)
    for missing, ids in by_missing.items():
        if missing:
            timeline.append(
                ids,
                Entry(
                    Step.PROPAGATING,
                    f"not yet served by {', '.join(missing)}",
                    data={"missing": list(missing)},
                ),
            )


def _missing(policy: Policy, changes: Iterable[Change]) -> list[str]:
    seen = [{each["address"] for each in change.nameservers} for change in changes]
    return [one for one in policy.addresses if any(one not in each for each in seen)]


def _not_verified(
    policy: Policy, changes: Sequence[Change], reports: Sequence[Report]
) -> NotVerified:
    """Return the reason, which names each server and what it said instead."""
    said = {report.address: report for report in reports}
    # Servers that showed it earlier were not asked again.
    earlier = (each["serial"] for change in changes for each in change.nameservers)
    newest = serials.newest([*(report.serial for report in reports), *earlier])
    reasons = []
    for address in _missing(policy, changes):
        report = said.get(address)
        if report is None or report.error:
            why = f"gives no answer: {report.error if report else 'not asked'}"
        elif (
            newest is not None
            and report.serial is not None
            and serials.is_older(report.serial, newest)
        ):
            why = f"is behind: it has serial {report.serial}, the newest is {newest}"
        else:
            why = f"answers with something else (serial {report.serial})"
        reasons.append(Reason("", "not_verified", f"{address} {why}"))
    listed = "; ".join(reason.detail for reason in reasons)
    names = ", ".join(sorted({f"{each.name} {each.type}" for each in changes}))
    return NotVerified(
        f"{names} was applied and is not served by every name server: {listed}",
        reasons=tuple(reasons),
    )
