"""The page about types, rules and limits, from the tables that the code runs on. Pure.

``manage.py dns_docs`` prints it; ``docs/dns.md`` is what it prints.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from dns_records import coalesce, drafts, validation
from dns_records.providers.base import Provider
from dns_records.record_types import RECORD_TYPES, REFUSED_TYPES

_INTRODUCTION = """\
# Types, rules and limits of DNS

Printed by `manage.py dns_docs`; a test compares. A type is a row in
`dns_records/record_types/`, a rule a function in `dns_records/validation/`.
"""

_TYPES = """\
## Types

What a type is written in is read by dnspython, and kept in one canonical form: names
in lower case and A-labels, addresses as RFC 5952 has them, base64 and hex in one
piece, parameters of SVCB and HTTPS by number, strings of TXT split after 255 octets. A
value is taken whole or not at all: nothing is dropped or rounded. Two records are the
same if and only if their wire forms are.

A type that the driver of the zone's backend does not write is refused with
`unsupported_by_backend`. `TYPEnnn` with `\\# length hex` (RFC 3597) is taken where
`DNSORCH_UNKNOWN_TYPES` is on, for numbers that IANA has given no name; what is there
may be deleted all the same.
"""

_SERVERS = """\
## What servers do otherwise

Found by writing each type to BIND 9.18 and PowerDNS 4.7.

| Server | Values | What it does |
|---|---|---|
| BIND | DNSKEY with the zone flag | takes it only in a zone that it signs itself, and \
only if its own keys stay in the RRset; else SERVFAIL |
| BIND | CDS, CDNSKEY | REFUSED unless one for each algorithm belongs to a DNSKEY of \
the zone, or it is the one that deletes (RFC 8078) |
| PowerDNS | DNSKEY, CDS, CDNSKEY | takes them and serves its own, unless \
`direct-dnskey` is set; the driver `powerdns` does not write them |
| PowerDNS, by DNS UPDATE | TYPEnnn | FORMERR; by its API it takes them |
| PowerDNS, by DNS UPDATE | CAA with an empty value | serves one octet 0 |
| PowerDNS | SVCB and HTTPS with `(`, `)` or `;` in the value of a `keyNNN` | by its \
API 422; by DNS UPDATE it takes them, and breaks off every transfer of the zone from \
then on |
| PowerDNS, by its API | AAAA of an IPv4-mapped address (`::ffff:192.0.2.1`) | 422 |
| PowerDNS, by its API | LOC above 21374836.47 m, and some of whole minutes, which it \
reads as 60 seconds | 422 |
| PowerDNS, by its API | names with `"`, `(`, `)`, `;`, `@` or `$` in a label | 422 |
"""


def page(drivers: Mapping[str, type[Provider]]) -> str:
    """Return the page; ``drivers`` are the providers by their names."""
    parts = [
        _INTRODUCTION,
        _TYPES,
        _types(drivers),
        "## Refused types\n",
        _table(("Type", "Why"), sorted(REFUSED_TYPES.items())),
        _SERVERS,
        "## Rules\n",
        "An error refuses a change; a warning rides on the answer and the timeline.\n",
        _rules(),
        "## Limits\n",
        _table(("Limit", "Value"), _limits()),
    ]
    return "\n".join(parts)


def _types(drivers: Mapping[str, type[Provider]]) -> str:
    rows = []
    for row in RECORD_TYPES.values():
        written = [name for name, kind in drivers.items() if kind.writes(row.name)]
        reason = f"{row.reason} (obsolete)" if row.obsolete else row.reason
        example = f"`{row.example}`"
        where = "all" if len(written) == len(drivers) else ", ".join(sorted(written))
        rows.append((row.name, row.number, reason, row.reference, example, where))
    head = ("Type", "Number", "What for", "Defined in", "Example", "Written by")
    return _table(head, rows)


def _rules() -> str:
    head = ("Rule", "About", "Source", "Level", "Sentence")
    rows = [
        (f"`{each.id}`", each.family, each.reference, " or ".join(each.levels))
        + (each.sentence,)
        for each in validation.validators()
    ]
    return _table(head, rows)


def _limits() -> list[tuple[str, str]]:
    defaults = validation.Context("example.test.")
    return [
        ("TTL, in seconds", f"{defaults.min_ttl} to {defaults.max_ttl}"),
        ("records in an RRset", f"{defaults.max_records}"),
        ("octets of an RRset on the wire", f"{defaults.max_octets}"),
        ("octets of one value on the wire", "65535"),
        ("octets of a change set in its UPDATE message", f"{coalesce.MAX_OCTETS}"),
        ("values in a change set", f"{drafts.MAX_VALUES}"),
        ("octets of a name, of a label (RFC 1035)", "255, 63"),
    ]


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    cells = ([str(cell).replace("|", "\\|") for cell in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)
