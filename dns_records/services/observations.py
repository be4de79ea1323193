"""What is told about the work: spans for traces, times for Prometheus.

One UPDATE, and one answer of a name server, serve many requests. So beside the span of
the message each request has one of its own, in its own trace and linked to it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from dns_records import metrics
from dns_records.models import Batch, Change, Zone
from dns_records.nameservers import Question, Report
from dns_records.providers.errors import ProviderError
from dns_records.services.queue import Parcel
from dnsorch import clock, tracing
from dnsorch.tracing import SpanKind
from requests_tracker.models import Request
from requests_tracker.selectors import requests as tracker

ANSWERED = "answered"


@dataclass
class Sent:
    """What became of a message: how it ended, and the answer's rcode."""

    outcome: str = "crashed"
    rcode: str = ""


@dataclass(frozen=True)
class Heard:
    """What a name server said, and from when to when it was asked."""

    report: Report
    started: int
    ended: int


@contextmanager
def update(zone: Zone, batch: Batch, parcels: Sequence[Parcel]) -> Iterator[Sent]:
    """Tell of an UPDATE that the block sends; the block sets its rcode."""
    about: dict[str, str | int] = {
        "dns.zone": zone.name,
        "dnsorch.backend": zone.backend.name,
        "dnsorch.batch": f"{batch.epoch}.{batch.number}",
        "dnsorch.requests": len(parcels),
    }
    parents: Mapping[UUID, str] = {}
    if tracing.enabled():
        # Read before the message is out: nothing may go wrong between it and its row.
        parents = tracker.traceparents(parcel.request_id for parcel in parcels)
    sent, started = Sent(), tracing.now()
    with tracing.span("dns.update", kind=SpanKind.CLIENT) as span:
        try:
            yield sent
            sent.outcome = ANSWERED
        except ProviderError as error:
            sent.outcome, sent.rcode = error.kind, error.rcode or ""
            raise
        finally:
            ended = tracing.now()
            seconds = metrics.UPDATE_SECONDS.labels(zone.backend.name, sent.outcome)
            seconds.observe((ended - started) / 1e9)
            metrics.UPDATE_REQUESTS.labels(zone.backend.name).observe(len(parcels))
            about |= {"dns.rcode": sent.rcode, "dnsorch.outcome": sent.outcome}
            span.set_attributes(about)
            failed = "" if sent.outcome == ANSWERED else sent.outcome
            for request_id, parent in parents.items():
                own = about | {"dnsorch.request_id": str(request_id)}
                _tell("request.update", parent, own, started, ended, failed)


def applied(zone: Zone, requests: Iterable[Request]) -> None:
    """Tell how long requests took to their UPDATE, once they have it."""
    now, seconds = clock.now(), metrics.APPLIED_SECONDS.labels(zone.backend.name)
    for request in requests:
        seconds.observe((now - request.due_since).total_seconds())


def seen(address: str, changes: Iterable[Change]) -> None:
    """Tell how long after their UPDATE a name server was found to show changes."""
    now, seconds = clock.now(), metrics.LAG_SECONDS.labels(address)
    for change in changes:
        if change.applied_at:
            seconds.observe((now - change.applied_at).total_seconds())


def verified(zone: Zone, changes: Iterable[Change]) -> None:
    """Tell how long after their UPDATE requests were verified, one change of each."""
    now, seconds = clock.now(), metrics.VERIFIED_SECONDS.labels(zone.backend.name)
    for change in changes:
        if change.applied_at:
            seconds.observe((now - change.applied_at).total_seconds())


def answers(
    zone: Zone,
    heard: Sequence[Heard],
    requests: Mapping[UUID, Request],
    changes: Sequence[Change],
    before: Mapping[int, Collection[str]],
) -> None:
    """Trace what each name server said, for each request that it was asked for.

    ``before`` has the servers that were known to show a change and were not asked.
    """
    for each in heard if tracing.enabled() else ():
        address = each.report.address
        asked: dict[UUID, list[Change]] = defaultdict(list)
        for change in changes:
            if address not in before[change.pk]:
                asked[change.request_id].append(change)
        for request_id, own in asked.items():
            _tell_answer(zone, each, requests[request_id], own)


def _tell_answer(
    zone: Zone, heard: Heard, request: Request, changes: Sequence[Change]
) -> None:
    report = heard.report
    rcodes = {report.rcodes.get(Question(c.name, c.type), "") for c in changes}
    about: dict[str, str | bool | int] = {
        "dns.zone": zone.name,
        "server.address": report.address,
        "dns.rcode": " ".join(sorted(rcodes - {""})),
        "dnsorch.request_id": str(request.pk),
        "dnsorch.shown": all(report.address in servers_of(c) for c in changes),
    }
    if report.serial is not None:
        about["dns.serial"] = report.serial
    failed = "no_answer" if report.error else ""
    parent = request.traceparent
    _tell("request.verify", parent, about, heard.started, heard.ended, failed)


def servers_of(change: Change) -> frozenset[str]:
    """Return the name servers that are known to show a change."""
    return frozenset(each["address"] for each in change.nameservers)


def _tell(
    name: str,
    parent: str,
    attributes: tracing.Attributes,
    started: int,
    ended: int,
    failed: str,
) -> None:
    span = tracing.begin(
        name,
        parent=parent,
        kind=SpanKind.CLIENT,
        attributes=attributes,
        started=started,
    )
    if failed:
        tracing.fail(span, failed)
    span.end(ended)
