"""Generated values of each type: one canonical form, served as it was written."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from dns_records import rdata, record_types, validation
from dns_records.providers import updates
from dns_records.providers.base import RRsetChange
from dns_records.tests import vectors
from dns_records.tests.provider_daemons import KINDS, Daemons
from dns_records.tests.provider_services import ZONE, rr
from dns_records.tests.signing_daemon import OF_KEYS
from dns_records.tests.vectors.generated import V6, VALUES, loc, svcb
from dnsorch.tests import real

SERVED = [rtype for rtype in vectors.TYPES if rtype not in OF_KEYS]
_OCTETS = st.lists(st.integers(0, 255).filter(lambda octet: octet not in b"();"))
PLAIN = _OCTETS.map(
    lambda octets: '"{}a"'.format("".join(map("\\{:03d}".format, octets)))
)
#: Narrower values of what a server does not take whole (docs/dns.md), or None.
NARROWER: dict[str, dict[str, st.SearchStrategy[str] | None]] = {
    "bind": {},
    "powerdns-update": {
        "HTTPS": svcb(others=PLAIN),
        "SVCB": svcb(others=PLAIN),
        "TYPE65280": None,
    },
    "powerdns-api": {
        "AAAA": V6.filter(lambda text: not text.startswith("::ffff:")),
        "HTTPS": svcb(others=PLAIN),
        "LOC": loc(highest=2**31 - 10_000_001, least_ms=1),
        "SVCB": svcb(others=PLAIN),
    },
}
CONTEXT = validation.Context(ZONE)


@pytest.mark.embedded
def test_every_type_has_a_strategy() -> None:
    assert VALUES.keys() == set(vectors.TYPES)


def parse(rtype: str, text: str) -> rdata.Rdata:
    """Return what a generated value is; it is always right."""
    parsed = rdata.parse(rtype, text, zone=ZONE)
    name = f"_a._tcp.{ZONE}" if record_types.lookup(rtype).below_apex else ZONE
    found = validation.check_record(CONTEXT, name, rtype, parsed)
    assert [each for each in found if each.is_error] == []
    return parsed


@pytest.mark.embedded
@pytest.mark.parametrize("rtype", vectors.TYPES)
@settings(deadline=None, max_examples=50)
@given(data=st.data())
def test_the_canonical_form_reads_back(rtype: str, data: st.DataObject) -> None:
    parsed = parse(rtype, data.draw(VALUES[rtype]))

    assert rdata.parse(rtype, parsed.text, zone=ZONE) == parsed
    assert rdata.from_dnspython(parsed.value) == parsed
    assert updates.rdata(rtype, parsed.text) == parsed.value
    change = RRsetChange(ZONE, rtype, 300, (parsed.text,))
    assert updates.octets(ZONE, [change]) >= parsed.wire_length


@pytest.mark.skipif(not real.WANTED, reason="needs the real services")
@pytest.mark.parametrize("kind", KINDS)
@settings(
    deadline=None,
    max_examples=8,
    # A server remembers: what it served before is no part of an example.
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_servers_serve_what_is_generated(
    daemons: Daemons, kind: str, data: st.DataObject
) -> None:
    service = daemons.server(kind)
    wanted = {}
    for rtype in SERVED:
        strategy = NARROWER[kind].get(rtype, VALUES[rtype])
        if strategy is None:
            continue
        owner = rtype.lower() if record_types.lookup(rtype).below_apex else "@"
        wanted[rtype] = rr(owner, rtype, parse(rtype, data.draw(strategy)).text)
    cut = rr("ds", "NS", "ns1.example.net.")

    service.provider.apply(ZONE, [*wanted.values(), cut])

    found = {
        (part.name, part.type): part.records
        for part in daemons.transfers(kind).read_zone(ZONE)
    }
    assert {key: found.get((each.name, each.type)) for key, each in wanted.items()} == {
        key: each.records for key, each in wanted.items()
    }
