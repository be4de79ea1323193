"""Asking one name server directly what it serves: the evidence of a verification.

Over TCP, without recursion, many questions on one connection. Only what the server
says with authority (AA) counts, with two exceptions that a delegation needs, since
what stands at or below it is served in a referral: NS RRs of exactly the delegated
name, and the addresses of its name servers (glue).

What a plain question cannot tell:

* An answer made from a wildcard looks like one from an RRset of that name. So an
  RRset that shall be absent also asks for the wildcards that could answer in its
  place (:func:`questions_for`), and an answer equal to one of theirs counts as absent
  (:func:`shows`). An RRset that shall be present with just the wildcard's content
  passes before it exists; nobody who resolves it could see a difference. A provider's
  ``probe`` tells them apart at the update server.
* What a delegation hides, glue apart, is never answered: see ``Report.hidden``. The
  same goes for what stands below a DNAME, where the answer has a CNAME made up from it
  (RFC 6672 section 3.1).
* A server that also serves the child zone answers for NS at the cut from the child.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.renderer
import dns.rrset

from dns_records import names, rdata
from dns_records.tcp import Connection, Deadline, Endpoint, reason
from dnsorch.exceptions import Invalid

# Questions that are on their way at once. Small enough that they and their answers
# fit into the sockets' buffers, so that neither side waits for the other to read.
WINDOW = 50
# RFC 1035 section 4.1.1: octets of the header, where the count of authority records
# is in it, and the bit for an authoritative answer in its third octet.
HEADER, NSCOUNT, AA = 12, 8, 0x04
RCODES = tuple(dns.rcode.to_text(dns.rcode.Rcode(rcode)) for rcode in range(16))
GLUE = frozenset({dns.rdatatype.A, dns.rdatatype.AAAA})


@dataclass(frozen=True)
class Question:
    """A canonical owner name and a type."""

    name: str
    type: str


@dataclass(frozen=True)
class Answer:
    """An RRset as served: TTL in seconds, canonical rdata text, sorted."""

    ttl: int
    records: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """What one name server said.

    ``serial`` is the zone's before the questions were answered, None if the server
    did not say. In ``answers`` None means absent, said with authority (NXDOMAIN or no
    data of that type); a question that is missing was not answered, and ``error`` says
    why for the first of them. ``hidden`` are those among them that this server never
    answers, because they stand below a delegation or a DNAME. ``reached`` is whether
    anything came back at all.
    """

    address: str
    serial: int | None
    answers: Mapping[Question, Answer | None]
    error: str | None
    hidden: frozenset[Question] = frozenset()
    reached: bool = True
    #: What traces tell: the rcode of each answer that came.
    rcodes: Mapping[Question, str] = field(default_factory=dict, compare=False)


class _NotAnswered(Exception):
    """The server said nothing that counts."""


class _Hidden(_NotAnswered):
    """The name is below a delegation or a DNAME."""


@dataclass
class _Findings:
    """A report in the making."""

    serial: int | None = None
    answers: dict[Question, Answer | None] = field(default_factory=dict)
    hidden: set[Question] = field(default_factory=set)
    error: str | None = None
    reached: bool = False
    rcodes: dict[Question, str] = field(default_factory=dict)

    def fail(self, why: str) -> None:
        """Keep the first error."""
        self.error = self.error or why


def ask(
    address: str, zone: str, questions: Sequence[Question], *, timeout: float
) -> Report:
    """Ask the name server at ``address`` for its serial of ``zone`` and the questions.

    ``address`` is ``host``, ``host:port`` or ``[v6]:port``; ``timeout`` is in seconds,
    for all of it. Trouble with the network or the server is in the report; nothing is
    raised for it. The serial is asked first: the answers are at least as new.
    """
    findings = _Findings()
    deadline = Deadline(timeout)
    soa = Question(zone, "SOA")
    try:
        connection = Connection.open(Endpoint.parse(address), deadline)
        try:
            todo = [soa, *dict.fromkeys(questions)]
            for start in range(0, len(todo), WINDOW):
                window = todo[start : start + WINDOW]
                _ask_window(connection, zone, window, deadline, findings)
        finally:
            connection.close()
    except (OSError, ValueError) as error:
        findings.fail(reason(error))
    if soa not in questions:
        findings.answers.pop(soa, None)
    return Report(
        address=address,
        serial=findings.serial,
        answers=findings.answers,
        error=findings.error,
        hidden=frozenset(findings.hidden),
        reached=findings.reached,
        rcodes=findings.rcodes,
    )


def ask_all(
    asked: Sequence[tuple[str, str, Sequence[Question]]],
    *,
    timeout: float,
    budget: float,
    at_once: int = 32,
) -> list[Report]:
    """Ask many name servers at the same time; return a report for each, in order.

    ``asked`` holds address, zone and questions as for :func:`ask`; ``timeout`` is for
    one of them and ``budget`` for all, both in seconds. For whom no time is left, the
    report says so.
    """
    deadline = Deadline(budget)

    def ask_one(what: tuple[str, str, Sequence[Question]]) -> Report:
        address, zone, questions = what
        try:
            limit = min(timeout, deadline.left())
        except TimeoutError:
            error = f"there was no time left after {budget:g} s"
            return Report(address, None, {}, error, reached=False)
        return ask(address, zone, questions, timeout=limit)

    with ThreadPoolExecutor(max_workers=at_once) as pool:
        return list(pool.map(ask_one, asked))


def canonical_records(rrset: Iterable[dns.rdata.Rdata]) -> tuple[str, ...]:
    """Return the rdata of an RRset as the wanted state writes them, sorted."""
    return tuple(sorted(_canonical(record) for record in rrset))


def questions_for(
    zone: str, name: str, rtype: str, *, absent: bool = False
) -> list[Question]:
    """Return what to ask to see whether an RRset has its image.

    For one that shall be ``absent``: with the wildcards that could answer for it, the
    closest first (RFC 4592 section 3.3.1; which one applies is the server's to know).
    """
    asked = [Question(name, rtype)]
    if absent:
        for parent in names.suffixes(name)[1:]:
            wildcard = f"*.{parent}"
            if names.is_in_zone(parent, zone) and wildcard != name:
                asked.append(Question(wildcard, rtype))
    return asked


def shows(report: Report, zone: str, question: Question, image: Answer | None) -> bool:
    """Return whether the report shows that the RRset has this image.

    ``image`` None is an absent RRset. TTLs count. False also where the server did not
    answer: only evidence is evidence.
    """
    if question not in report.answers:
        return False
    served = report.answers[question]
    if served is None or image is not None:
        return served == image
    asked = questions_for(zone, question.name, question.type, absent=True)
    return any(report.answers.get(wildcard) == served for wildcard in asked[1:])


def _ask_window(
    connection: Connection,
    zone: str,
    window: Sequence[Question],
    deadline: Deadline,
    findings: _Findings,
) -> None:
    """Write all questions, then read all answers, in whatever order they come."""
    first_id = secrets.randbelow(2**16)
    pending = {
        (first_id + number) % 2**16: question for number, question in enumerate(window)
    }
    queries = [_query(query_id, asked) for query_id, asked in pending.items()]
    connection.send_all(queries, deadline)
    while pending:
        wire = connection.receive(deadline)
        findings.reached = True
        answered = pending.pop(int.from_bytes(wire[:2], "big"), None)
        if answered is None:
            raise ConnectionError("an answer that nobody asked for")
        _take(wire, zone, answered, findings)


def _query(query_id: int, question: Question) -> bytes:
    """Return a query without EDNS and recursion; a whole ``Message`` takes longer."""
    new: Any = dns.renderer.Renderer  # it has no type hints
    renderer = new(id=query_id, flags=0)
    renderer.add_question(*_asked(question))
    renderer.write_header()
    return bytes(renderer.get_wire())


@lru_cache(maxsize=4 * WINDOW)
def _asked(question: Question) -> tuple[dns.name.Name, dns.rdatatype.RdataType]:
    """Return a question as dnspython has it: to be asked, and to be compared."""
    name = dns.name.from_text(question.name)
    return name, dns.rdatatype.from_text(question.type)


def _take(wire: bytes, zone: str, question: Question, findings: _Findings) -> None:
    if len(wire) >= 4:  # without EDNS it is all there (RFC 1035 section 4.1.1)
        findings.rcodes[question] = RCODES[wire[3] & 15]
    try:
        rrset = _served(wire, zone, question)
    except _NotAnswered as error:
        findings.fail(f"{question.name} {question.type}: {error}")
        if isinstance(error, _Hidden):
            findings.hidden.add(question)
        return
    if rrset is None:
        findings.answers[question] = None
        return
    findings.answers[question] = Answer(rrset.ttl, canonical_records(rrset))
    if question == Question(zone, "SOA"):
        findings.serial = rrset[0].serial


def _served(wire: bytes, zone: str, question: Question) -> dns.rrset.RRset | None:
    """Return the RRset that an answer holds with authority, None for an absent one."""
    name, rdtype = _asked(question)
    try:
        message = _read(wire)
    except (dns.exception.DNSException, ValueError) as error:
        raise _NotAnswered(f"unreadable answer: {error}") from error
    if message.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        raise _NotAnswered(dns.rcode.to_text(message.rcode()))
    questions = [(q.name, q.rdtype) for q in message.question]
    if not message.flags & dns.flags.QR or questions != [(name, rdtype)]:
        raise _NotAnswered("the answer is to another question")
    if message.flags & dns.flags.AA:
        for rrset in message.answer:
            if rrset.rdtype == dns.rdatatype.DNAME and _is_below(name, rrset.name):
                raise _Hidden(f"hidden by the DNAME of {rrset.name}")
        return message.get_rrset(message.answer, name, dns.rdataclass.IN, rdtype)
    return _from_referral(message, dns.name.from_text(zone), name, rdtype)


def _read(wire: bytes) -> dns.message.Message:
    """Read an answer; of one with authority, the answer section is all that counts.

    What follows, the zone's name servers and their addresses, is half the work.

    Raises:
        DNSException, ValueError: it is no DNS message.
    """
    if len(wire) >= HEADER and wire[2] & AA:
        wire = wire[:NSCOUNT] + bytes(HEADER - NSCOUNT) + wire[HEADER:]
        return dns.message.from_wire(wire, ignore_trailing=True)
    return dns.message.from_wire(wire)


def _is_below(name: dns.name.Name, other: dns.name.Name) -> bool:
    return name.is_subdomain(other) and name != other


def _from_referral(
    message: dns.message.Message,
    zone: dns.name.Name,
    name: dns.name.Name,
    rdtype: dns.rdatatype.RdataType,
) -> dns.rrset.RRset:
    """Return what a referral proves: the NS RRs of the cut itself, and glue."""
    for cut in message.authority:
        below_zone = cut.name.is_subdomain(zone) and cut.name != zone
        if (
            cut.rdtype == dns.rdatatype.NS
            and below_zone
            and name.is_subdomain(cut.name)
        ):
            break
    else:
        raise _NotAnswered("the server has no authority")
    if rdtype == dns.rdatatype.NS and name == cut.name:
        return cut
    if rdtype in GLUE:
        glue = message.get_rrset(message.additional, name, dns.rdataclass.IN, rdtype)
        if glue is not None:
            return glue
    raise _Hidden(f"hidden by the delegation of {cut.name}")


def _canonical(record: dns.rdata.Rdata) -> str:
    try:
        return rdata.from_dnspython(record).text
    except Invalid:
        # Not one of our types, or nothing that we would write: never equal to the
        # wanted state, but to be reported.
        return record.to_text()
