"""What others point to becomes an alias, or loses its addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dns_records.drafts import read
from dns_records.images import Key
from dns_records.models import Zone
from dns_records.providers.errors import PermanentRefusal
from dns_records.services import neighbours, wanted
from dns_records.tests.findings import ZONE
from dns_records.tests.provider_services import rr
from dns_records.tests.test_neighbours import accepted, outcome, rejected
from dns_records.tests.test_validation_neighbours import judged
from dns_records.tests.world import draft, make_zone, post
from dnsorch.tests import real

if TYPE_CHECKING:
    from dns_records.tests.provider_daemons import Daemons

A = "192.0.2.1"
HOST = "mail.example.test."
POINTERS = {
    "MX": ("@", f"10 {HOST}"),
    "NS": ("sub", HOST),
    "SRV": ("_sip._tcp", f"1 2 5060 {HOST}"),
    "KX": ("k", f"1 {HOST}"),
    "AFSDB": ("cell", f"1 {HOST}"),
    "PTR": ("1", HOST),
}
IS_ALIAS = "target_is_alias"
NO_ADDRESS = "target_without_address"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("rtype", "to_alias", "to_nothing"),
    [
        ("MX", rejected(IS_ALIAS), accepted(NO_ADDRESS)),
        ("NS", rejected(IS_ALIAS), accepted(NO_ADDRESS)),
        ("SRV", accepted(IS_ALIAS), accepted(NO_ADDRESS)),
        ("KX", accepted(IS_ALIAS), accepted(NO_ADDRESS)),
        ("AFSDB", accepted(IS_ALIAS), accepted(NO_ADDRESS)),
        ("PTR", accepted(IS_ALIAS), accepted()),
    ],
)
def test_what_points_there(
    zone: Zone,
    rtype: str,
    to_alias: tuple[str, str, list[str]],
    to_nothing: tuple[str, str, list[str]],
) -> None:
    name, value = POINTERS[rtype]
    post(draft("add", "mail", "A", A), draft("add", name, rtype, value))
    alias = draft("put", "mail", "CNAME", "a.test.")
    gone = draft("delete", "mail", "A")
    # Without the record that points there nothing is wrong.
    unlinked = draft("delete", name, rtype)
    assert outcome(gone, alias) == to_alias
    if to_alias[0] == "queued":
        assert outcome(draft("delete", "mail", "CNAME")) == accepted()
        post(draft("add", "mail", "A", A))
    assert outcome(gone) == to_nothing
    post(draft("add", "mail", "A", A))
    assert outcome(gone, alias, unlinked) == accepted()


@pytest.mark.django_db
def test_what_a_change_set_makes_of_both_ends_counts(zone: Zone) -> None:
    mx = draft("put", "@", "MX", f"10 {HOST}")
    assert outcome(mx, draft("add", "mail", "A", A)) == accepted()
    gone, alias = draft("delete", "mail", "A"), draft("put", "mail", "CNAME", "a.test.")
    elsewhere = draft("put", "@", "MX", "10 other.test.")
    assert outcome(gone, alias, elsewhere) == accepted()
    # It is an alias already: another target changes nothing.
    assert outcome(draft("put", "mail", "CNAME", "b.test.")) == accepted()


@pytest.mark.django_db
def test_addresses_of_the_other_family_and_wildcards_are_addresses(zone: Zone) -> None:
    post(draft("add", "@", "MX", f"10 {HOST}"), draft("add", "mail", "A", A))
    both = draft("add", "mail", "AAAA", "2001:db8::1")
    assert outcome(both) == accepted()
    assert outcome(draft("delete", "mail", "A")) == accepted()
    assert outcome(draft("add", "*", "A", A)) == accepted()
    assert outcome(draft("delete", "mail", "AAAA")) == accepted()


@pytest.mark.django_db
def test_glue_that_goes(zone: Zone) -> None:
    servers = ("ns.sub.example.test.", "ns.test.")
    post(draft("add", "ns.sub", "A", A), draft("add", "sub", "NS", *servers))
    assert outcome(draft("delete", "ns.sub", "A")) == accepted("glue_missing")


@pytest.mark.django_db
def test_who_points_there_is_found(zone: Zone) -> None:
    values = (f"10 {HOST}", "20 xmail.example.test.")
    post(draft("add", "@", "MX", *values), draft("add", "old", "MX", f"1 {HOST}"))
    post(draft("delete", "old", "MX"), draft("add", "t", "TXT", f"see {HOST}"))
    post(draft("add", "1", "PTR", HOST), draft("add", "2", "PTR", f"x.{HOST}"))
    make_zone("other.test.")
    post(draft("add", "@", "MX", f"10 {HOST}"), zone="other.test.")
    operations = read([draft("put", "mail", "CNAME", "a.test.")], zone.name)
    locked = wanted.lock(zone, {each.key.name for each in operations})
    found = neighbours.read(locked, operations).pointers
    assert found == {HOST: {Key(ZONE, "MX"), Key(f"1.{ZONE}", "PTR")}}


def test_only_so_many_are_told_by_name() -> None:
    points = "mail>MX:@ mail>MX:a mail>MX:b"
    (detail,) = judged(points, "mail CNAME a.test.", detail=True)
    assert detail.startswith(
        "MX records of a.example.test. (and 2 more) point to mail.example.test.,"
    )


@pytest.mark.skipif(not real.WANTED, reason="needs BIND")
@pytest.mark.parametrize("alias", [True, False])
def test_bind_refuses_it_for_its_name_servers(daemons: Daemons, alias: bool) -> None:
    """It checks the NS of the apex after each UPDATE; other targets it does not."""
    provider = daemons.server("bind").provider
    held = [rr("mail", "A", A), rr("@", "MX", f"10 {HOST}")]
    name_servers = rr("@", "NS", "ns1.example.test.", HOST)
    first = rr("@", "NS", "ns1.example.test.")
    asked = [rr("mail", "A")] + ([rr("mail", "CNAME", "a.test.")] if alias else [])
    provider.apply(ZONE, [*held, name_servers])
    with pytest.raises(PermanentRefusal) as refusal:
        provider.apply(ZONE, asked)
    assert refusal.value.rcode == "REFUSED"
    provider.apply(ZONE, [first])
    assert provider.apply(ZONE, asked).rcode == "NOERROR"
