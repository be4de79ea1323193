"""Owners that are no host names: refused where the name server would refuse them."""

from __future__ import annotations

import pytest

from dns_records import validation
from dns_records.models import Zone
from dns_records.providers.base import RRsetChange
from dns_records.providers.errors import PermanentRefusal
from dns_records.services import backends
from dns_records.tests.callers import RECORDS, assert_rejected, caller, record
from dns_records.tests.findings import ZONE, brief, expected, parsed
from dns_records.tests.provider_daemons import Daemons
from dns_records.validation import Context
from dnsorch.tests import real

A, AAAA, MX = "192.0.2.1", "2001:db8::1", "10 mail.example.test."
ERROR, WARNING = "owner-host error owner_not_host", "owner-host warning owner_not_host"
# What check-names of BIND 9.18 makes of it.
OWNERS = [
    ("host", "A", A, []),
    ("*", "AAAA", AAAA, []),
    ("*.host", "MX", MX, []),
    ("under_score", "A", A, [ERROR]),
    ("_label.host", "AAAA", AAAA, [ERROR]),
    ("*._label", "A", A, [ERROR]),
    ("-hyphen", "MX", MX, [ERROR]),
    ("hyphen-", "A", A, [ERROR]),
    ("host.*", "A", A, [ERROR]),
    ("gc._msdcs", "A", A, [WARNING]),
    ("gc._msdcs", "AAAA", AAAA, [WARNING]),
    ("gc._msdcs", "MX", MX, [ERROR]),
    ("a.gc._msdcs", "A", A, [ERROR]),
    ("_dmarc", "TXT", '"x"', []),
    ("_label", "CNAME", "host.example.test.", []),
]


def found(
    name: str, rtype: str, text: str, *, checks_names: bool
) -> list[tuple[str, str, str, int]]:
    """Return what the rule for owners says of a record."""
    context = Context(ZONE, checks_names=checks_names)
    (rdata,) = parsed(rtype, text)
    findings = validation.check_record(context, f"{name}.{ZONE}", rtype, rdata)
    return [each for each in brief(findings) if each[0] == "owner-host"]


@pytest.mark.parametrize(("name", "rtype", "text", "lines"), OWNERS)
def test_the_rule(name: str, rtype: str, text: str, lines: list[str]) -> None:
    assert found(name, rtype, text, checks_names=True) == expected(*lines)
    # Elsewhere it is a warning, and Active Directory's names are no hosts either.
    elsewhere = found(name, rtype, text, checks_names=False)
    assert {each[1] for each in elsewhere} <= {"warning"}
    assert len(elsewhere) >= len(lines)


@pytest.mark.skipif(not real.WANTED, reason="needs BIND")
def test_bind_says_the_same(daemons: Daemons) -> None:
    provider = daemons.server("bind").provider
    for name, rtype, text, lines in OWNERS:
        change = RRsetChange(f"{name}.{ZONE}", rtype, 300, (text,))
        try:
            refused = provider.apply(ZONE, [change]).rcode != "NOERROR"
        except PermanentRefusal:
            refused = True
        assert refused is (ERROR in lines), (name, rtype)


@pytest.mark.parametrize(
    ("driver", "options", "refused"),
    [
        ("memory", {"store": "x"}, False),
        ("rfc2136", {"server": "ns"}, True),
        ("rfc2136", {"server": "ns", "check_names": False}, False),
    ],
)
def test_the_backend_says_whether_it_checks(
    zone: Zone, driver: str, options: dict[str, object], refused: bool
) -> None:
    zone.backend = backends.save(name="other", driver=driver, options=options)
    zone.save()
    answer = caller().post(RECORDS, record("under_score.example.test."))
    if refused:
        assert_rejected(answer, 400, "owner_not_host")
    else:
        assert answer.status_code == 202
        (warning,) = answer.json()["warnings"]
        assert warning["code"] == "owner_not_host"
