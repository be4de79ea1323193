"""Asking every name server of a zone what it serves, for a person who wants to know.

Read-only, and bounded whatever the name servers do: an operator task has one of the
worker's slots, and the lanes need the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import dns.serial
from django.conf import settings

from dns_records import nameservers
from dns_records.models import Zone
from dns_records.nameservers import Report
from dns_records.tcp import Deadline
from dnsorch.exceptions import Invalid
from dnsorch.operator_tasks import selectors
from dnsorch.operator_tasks import services as operator_tasks
from dnsorch.operator_tasks.models import OperatorTask
from dnsorch.operator_tasks.outcome import Finding, Level, Outcome

TASK = "dns_records.check_nameservers"
MAX_ZONES = 100
BUDGET_S = 30.0
# While a client waits.
WAITED_S = 5.0
AT_ONCE = 32


class TooManyZones(Invalid):
    """So many zones are not checked at once."""

    code = "too_many_zones"


def start(*, zones: Sequence[Zone], started_by: str) -> OperatorTask:
    """Have a worker check the name servers of these zones.

    Raises:
        TooManyZones: they are more than :data:`MAX_ZONES`.
        BrokerUnavailable: nothing was started.
    """
    if len(zones) > MAX_ZONES:
        raise TooManyZones(f"at most {MAX_ZONES} zones are checked at once")
    return operator_tasks.start(
        task=TASK,
        title="Name-server check",
        arguments={"zone_ids": [zone.pk for zone in zones]},
        about={f"zone:{zone.pk}": zone.name for zone in zones},
        started_by=started_by,
    )


def last(zone: Zone) -> OperatorTask | None:
    """Return the check of a zone that was started last, if one is kept."""
    return selectors.about(zone.name).filter(task_name=TASK).first()


def run(zone_ids: Sequence[int]) -> Outcome:
    """Ask every name server of these zones, all at the same time; judge each."""
    zones = list(Zone.objects.filter(pk__in=zone_ids))
    questions = [(zone, address) for zone in zones for address in zone.nameservers]
    reports = iter(_ask(questions))
    findings: list[Finding] = []
    for zone in zones:
        own = [next(reports) for _ in zone.nameservers]
        findings += judge(zone.name, own)
    for missing in sorted(set(zone_ids) - {zone.pk for zone in zones}):
        text = "is not registered any more"
        findings.append(Finding("", f"zone {missing}", Level.PROBLEM, text))
    return Outcome(_summary(findings, len(questions)), tuple(findings))


def ask(zone: Zone) -> list[tuple[Report, Finding]]:
    """Ask every name server of one zone, while somebody waits for the answers."""
    reports = list(_ask([(zone, each) for each in zone.nameservers], WAITED_S))
    return list(zip(reports, judge(zone.name, reports), strict=bool(reports)))


def _ask(
    questions: Sequence[tuple[Zone, str]], budget_s: float = BUDGET_S
) -> Iterable[Report]:
    deadline = Deadline(budget_s)

    def ask_one(what: tuple[Zone, str]) -> Report:
        zone, address = what
        try:
            timeout = min(settings.DNSORCH_QUERY_TIMEOUT_S, deadline.left())
        except TimeoutError:
            error = f"the check had no time left after {budget_s:g} s"
            return Report(address, None, {}, error, reached=False)
        return nameservers.ask(address, zone.name, [], timeout=timeout)

    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        return list(pool.map(ask_one, questions))


def judge(zone: str, reports: Sequence[Report]) -> Iterator[Finding]:
    """Yield a finding for each name server of a zone; the first is the primary."""
    if not reports:
        text = "has no name servers to ask: changes are not verified"
        yield Finding(zone, "zone", Level.WARNING, text)
        return
    primary = reports[0].serial
    for number, report in enumerate(reports):
        level, text = _broken(report) or (
            _compared(report.serial, primary) if number else _leads(report.serial)
        )
        yield Finding(zone, report.address, level, text)


def _broken(report: Report) -> tuple[Level, str] | None:
    """Return what is wrong with one server by itself."""
    if not report.reached:
        return Level.PROBLEM, f"gives no answer over TCP: {report.error}"
    if report.error:
        return Level.PROBLEM, f"does not answer with authority: {report.error}"
    if report.serial is None:
        return Level.PROBLEM, "says with authority that the zone has no SOA record"
    return None


def _leads(serial: int | None) -> tuple[Level, str]:
    return Level.OK, f"answers with authority, serial {serial} (the primary)"


def _compared(serial: int | None, primary: int | None) -> tuple[Level, str]:
    """Compare a secondary with the primary by the arithmetic of RFC 1982."""
    assert serial is not None  # _broken() has seen to it
    if primary is None:
        text = f"answers with authority, serial {serial}; the primary's is not known"
        return Level.WARNING, text
    if serial == primary:
        return Level.OK, f"answers with authority, serial {serial}"
    if dns.serial.Serial(serial) < dns.serial.Serial(primary):
        text = f"is behind: it has serial {serial}, the primary {primary}"
    else:
        text = f"differs from the primary: it has serial {serial}, not {primary}"
    return Level.WARNING, text


def _summary(findings: Sequence[Finding], asked: int) -> str:
    good = sum(finding.level == Level.OK for finding in findings)
    return f"{good} of {asked} name server{'s' * (asked != 1)} as they should be"
