"""Explaining an RRset: what is wanted, who asked for it, and what is answered now.

Reads the database first and asks the name servers then, outside any transaction and
bounded in time, whatever they do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from dns_records import explanation, names, nameservers, record_types
from dns_records.explanation import Facts, Server, Verdict, Waiting
from dns_records.images import Image, Key, dump
from dns_records.models import Change, ChangeStatus, Zone
from dns_records.nameservers import Answer, Question, Report
from dns_records.selectors import explain as selectors
from dnsorch import clock
from dnsorch.tokens.access import Access
from requests_tracker.models import Request

# For all the name servers of a zone; a zone may have a hundred.
BUDGET_S = 4.0
AT_ONCE = 32


@dataclass(frozen=True)
class Explanation:
    """What there is to say about an RRset."""

    facts: Facts
    verdict: Verdict
    zone: Zone | None = None
    access: dict[str, Any] = field(default_factory=dict)
    last_request: Request | None = None
    pending: Sequence[Request] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        zone, last = self.zone, self.last_request
        return {
            "name": self.facts.key.name,
            "type": self.facts.key.type,
            "zone": zone.name if zone else None,
            "backend": (
                {"name": zone.backend.name, "driver": zone.backend.driver}
                if zone
                else None
            ),
            "access": self.access or None,
            "wanted": dump(self.facts.wanted),
            "last_request": last and selectors.request_body(last),
            "pending_requests": [selectors.request_body(one) for one in self.pending],
            "nameservers": [_server_body(one) for one in self.facts.servers],
            "live": self.verdict.live,
            "explanation": self.verdict.sentence,
        }


def explain(access: Access, name: str, rtype: str) -> Explanation:
    """Return what there is to say about an RRset, named as a client writes it.

    Asks every name server of its zone; takes less than five seconds.

    Raises:
        Invalid: it is no absolute name, or no type.
    """
    key = Key(names.absolute_name(name), record_types.lookup(rtype).name)
    zone = selectors.zone_of(access, key.name)
    if zone is None:
        facts = Facts(key, "")
        return Explanation(facts, explanation.judge(facts))
    row, wanted = selectors.wanted(zone, key)
    last = selectors.last_effective(row) if row else None
    facts = Facts(
        key=key,
        zone=zone.name,
        wanted=wanted,
        changed=last is not None,
        old=Image.load(last.before) if last else None,
        since=_since(last) if last else "",
        cname=selectors.cname(zone, key.name) if key.type != "CNAME" else "",
        waiting=_waiting(zone, last),
        servers=_ask(zone, key, wanted),
    )
    return Explanation(
        facts,
        explanation.judge(facts),
        zone,
        selectors.who_may_change(access, zone),
        selectors.last_request(row) if row else None,
        selectors.pending_requests(row) if row else (),
    )


def _since(change: Change) -> str:
    """Return when the last name server was seen with a change, or it was applied."""
    seen = [each["seen_at"] for each in change.nameservers if each.get("seen_at")]
    if seen:
        return str(max(seen))
    return clock.iso(change.applied_at) or ""


def _waiting(zone: Zone, last: Change | None) -> Waiting | None:
    """Return how far the newest change of an RRset is from the update server."""
    if last is None or last.status not in (ChangeStatus.PENDING, ChangeStatus.SENT):
        return None
    return Waiting(
        ahead=selectors.requests_ahead(last),
        sent=last.status == ChangeStatus.SENT,
        trouble=selectors.trouble(zone),
    )


def _ask(zone: Zone, key: Key, wanted: Image | None) -> list[Server]:
    asked = nameservers.questions_for(
        zone.name, key.name, key.type, absent=wanted is None
    )
    reports = nameservers.ask_all(
        [(address, zone.name, asked) for address in zone.nameservers],
        timeout=settings.DNSORCH_QUERY_TIMEOUT_S,
        budget=BUDGET_S,
        at_once=AT_ONCE,
    )
    return [_server(zone, report, asked, wanted) for report in reports]


def _server(
    zone: Zone, report: Report, asked: Sequence[Question], wanted: Image | None
) -> Server:
    """Return what one name server answers, as far as it matters here."""
    question, *wildcards = asked
    image = Answer(wanted.ttl, wanted.records) if wanted else None
    served = report.answers.get(question)
    answering = [
        each.name
        for each in wildcards
        if served is not None and report.answers.get(each) == served
    ]
    answered = question in report.answers
    return Server(
        address=report.address,
        serial=report.serial,
        image=Image(served.ttl, served.records) if served else None,
        shows=nameservers.shows(report, zone.name, question, image),
        error="" if answered else _error(report, question),
        hidden=question in report.hidden,
        wildcard=answering[0] if answering else "",
    )


def _error(report: Report, question: Question) -> str:
    """Return why there is no answer, without the question that everybody knows."""
    text = report.error or "no answer"
    return text.removeprefix(f"{question.name} {question.type}: ")


def _server_body(server: Server) -> dict[str, Any]:
    return {
        "address": server.address,
        "serial": server.serial,
        "answer": dump(server.image),
        "as_wanted": server.shows,
        "error": server.error or None,
    }
