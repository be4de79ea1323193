"""What every provider must do, on the services that there are: write, tell, list."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from dns_records.providers.base import RRsetChange, marker_name
from dns_records.providers.errors import (
    MessageTooLarge,
    Misconfigured,
    PermanentRefusal,
    ProviderError,
    Unreachable,
)
from dns_records.record_types import RECORD_TYPES
from dns_records.tests.contract_kit import KINDS, needs, running
from dns_records.tests.provider_services import ZONE, Service, rr
from dns_records.tests.signing_daemon import OF_KEYS


@pytest.fixture(params=KINDS)
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    """Each service in turn."""
    with running(request.param, request) as service:
        yield service


def test_creates_an_rrset(service: Service) -> None:
    receipt = service.provider.apply(ZONE, [rr("www", "A", "192.0.2.1", "192.0.2.2")])

    assert receipt.rcode == "NOERROR"
    assert service.rrset("www." + ZONE, "A") == (300, ("192.0.2.1", "192.0.2.2"))
    assert service.updates() == 1


def test_replaces_the_whole_rrset(service: Service) -> None:
    service.provider.apply(ZONE, [rr("www", "A", "192.0.2.1", "192.0.2.2")])
    service.provider.apply(ZONE, [rr("www", "A", "192.0.2.2", "192.0.2.3")])

    assert service.rrset("www." + ZONE, "A") == (300, ("192.0.2.2", "192.0.2.3"))


def test_deletes_only_the_rrset_of_that_type(service: Service) -> None:
    service.provider.apply(
        ZONE, [rr("www", "A", "192.0.2.1"), rr("www", "TXT", '"kept"')]
    )
    service.provider.apply(ZONE, [rr("www", "A")])

    assert service.rrset("www." + ZONE, "A") is None
    assert service.rrset("www." + ZONE, "TXT") == (300, ('"kept"',))


def test_deleting_what_is_not_there_is_no_error(service: Service) -> None:
    assert service.provider.apply(ZONE, [rr("www", "A")]).rcode == "NOERROR"


def test_changes_a_ttl(service: Service) -> None:
    service.provider.apply(ZONE, [rr("www", "A", "192.0.2.1")])
    service.provider.apply(ZONE, [rr("www", "A", "192.0.2.1", ttl=60)])

    assert service.rrset("www." + ZONE, "A") == (60, ("192.0.2.1",))


def test_takes_many_rrsets_in_one_message(service: Service) -> None:
    changes = [rr(f"host{n}", "A", f"192.0.2.{n}") for n in range(200)]
    service.provider.apply(ZONE, changes)

    assert service.updates() == 1
    assert service.provider.probe(ZONE, changes)


ALL_TYPES = [
    rr("all", "A", "192.0.2.1", "192.0.2.2"),
    rr("all", "AAAA", "2001:db8::1", "::"),
    rr("all", "CAA", '0 issue "ca.example.net"', '128 iodef "mailto:a@b.example"'),
    rr("alias", "CNAME", "all.example.test."),
    # BIND refuses an MX to a name of the zone without an address (check-integrity).
    rr("all", "MX", "10 all.example.test.", "20 a."),
    rr("sub", "NS", "ns1.example.net.", "ns2.example.net."),
    rr("all", "PTR", "host.example.net."),
    rr("_sip._tcp", "SRV", "1 2 5060 sip.example.net.", "0 0 0 a."),
    rr("all", "TXT", '"v=spf1 -all"', '"a" "b"', '"\\195\\164"', '""'),
]


# The other types, by an example each; keys only signers take (test_vectors_served).
OTHER_TYPES = [
    rr("@" if not row.below_apex else f"v.{name.lower()}", name, row.example)
    for name, row in RECORD_TYPES.items()
    if name not in {change.type for change in ALL_TYPES} | set(OF_KEYS)
] + [rr("v.ds", "NS", "ns1.example.net.")]


def test_writes_every_supported_type(service: Service) -> None:
    supported = service.provider.supported_types
    changes = [each for each in [*ALL_TYPES, *OTHER_TYPES] if each.type in supported]
    assert supported - set(OF_KEYS) == {change.type for change in changes}

    receipt = service.provider.apply(
        ZONE, changes, fence=service.fence(None, "m" * 255)
    )

    assert service.provider.probe(ZONE, changes)
    assert receipt.octets <= service.provider.message_octets(ZONE, changes)


@pytest.mark.parametrize("order", [1, -1], ids=["new first", "old first"])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (rr("www", "A", "192.0.2.1"), rr("www", "CNAME", "host.example.net.")),
        (rr("www", "CNAME", "host.example.net."), rr("www", "A", "192.0.2.1")),
    ],
    ids=["A to CNAME", "CNAME to A"],
)
def test_swaps_cname_and_address_in_one_message(
    service: Service, old: RRsetChange, new: RRsetChange, order: int
) -> None:
    service.provider.apply(ZONE, [old])
    absent = replace(old, ttl=0, records=())
    service.provider.apply(ZONE, [new, absent][::order])

    assert service.rrset(new.name, new.type) == (300, new.records)
    assert service.provider.probe(ZONE, [new, absent])
    assert service.updates() == 2


def test_replaces_the_name_servers_of_the_apex(service: Service) -> None:
    image = rr("@", "NS", "ns1.example.test.", "ns2.example.net.", ttl=600)
    service.provider.apply(ZONE, [image])
    assert service.rrset(ZONE, "NS") == (600, image.records)

    image = rr("@", "NS", "ns3.example.net.")
    service.provider.apply(ZONE, [image])
    assert service.rrset(ZONE, "NS") == (300, ("ns3.example.net.",))


def test_a_refused_message_changes_nothing(service: Service) -> None:
    service.refuse("bad." + ZONE)
    good, bad = rr("good", "A", "192.0.2.1"), rr("bad", "A", "192.0.2.2")

    with pytest.raises(PermanentRefusal) as refusal:
        service.provider.apply(ZONE, [good, bad], fence=service.fence(None, "v1 1 1"))

    assert refusal.value.rcode == "REFUSED"
    assert service.rrset(good.name, "A") is None
    assert service.rrset(marker_name(ZONE), "TXT") is None
    assert service.updates() == 0


def test_a_name_outside_the_zone_refuses_the_whole_message(service: Service) -> None:
    outside = RRsetChange("www.example.net.", "A", 300, ("192.0.2.1",))

    with pytest.raises(PermanentRefusal) as refusal:
        service.provider.apply(ZONE, [rr("www", "A", "192.0.2.1"), outside])

    # Only DNS has a word of its own for it.
    assert refusal.value.rcode in ("NOTZONE", "REFUSED", "FORMERR")
    assert service.updates() == 0


def test_the_same_message_again_changes_nothing_more(service: Service) -> None:
    changes = [rr("www", "A", "192.0.2.1"), rr("old", "A")]
    service.provider.apply(ZONE, changes)
    service.provider.apply(ZONE, changes)

    assert service.rrset("www." + ZONE, "A") == (300, ("192.0.2.1",))
    assert service.provider.probe(ZONE, changes)


@pytest.mark.parametrize(
    ("image", "holds"),
    [
        (rr("www", "A", "192.0.2.1", "192.0.2.2"), True),
        (rr("www", "A", "192.0.2.2", "192.0.2.1"), True),
        (rr("www", "A", "192.0.2.1", "192.0.2.2", ttl=1), True),
        (rr("www", "A", "192.0.2.1"), False),
        (rr("www", "A", "192.0.2.1", "192.0.2.2", "192.0.2.3"), False),
        (rr("www", "A"), False),
        (rr("www", "AAAA"), True),
        (rr("www", "AAAA", "::1"), False),
        (rr("nothing", "A"), True),
        (rr("nothing", "A", "192.0.2.1"), False),
    ],
)
def test_probe_is_exact(service: Service, image: RRsetChange, holds: bool) -> None:
    service.provider.apply(ZONE, [rr("www", "A", "192.0.2.1", "192.0.2.2")])

    assert service.provider.probe(ZONE, [image]) is holds
    assert service.updates() == 1


def test_probe_wants_all_of_the_images(service: Service) -> None:
    there, missing = rr("www", "A", "192.0.2.1"), rr("ftp", "A", "192.0.2.1")
    service.provider.apply(ZONE, [there])

    assert service.provider.probe(ZONE, [])
    assert not service.provider.probe(ZONE, [there, missing])
    assert not service.provider.probe(ZONE, [missing, there])


def test_a_wildcard_does_not_mislead_the_probe(service: Service) -> None:
    service.provider.apply(ZONE, [rr("*", "A", "192.0.2.1")])

    assert service.provider.probe(ZONE, [rr("www", "A")])
    assert not service.provider.probe(ZONE, [rr("www", "A", "192.0.2.1")])


@needs("ignore")
def test_the_probe_finds_what_was_ignored(service: Service) -> None:
    service.ignore("ignored." + ZONE)
    done, ignored = rr("done", "A", "192.0.2.1"), rr("ignored", "A", "192.0.2.1")

    assert service.provider.apply(ZONE, [done, ignored]).rcode == "NOERROR"

    assert service.provider.probe(ZONE, [done])
    assert not service.provider.probe(ZONE, [ignored])


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (rr("www", "A", "192.0.2.1"), rr("www", "CNAME", "host.example.net.")),
        (rr("www", "CNAME", "host.example.net."), rr("www", "A", "192.0.2.1")),
    ],
    ids=["CNAME beside A", "A beside CNAME"],
)
def test_a_cname_conflict_is_refused_or_ignored_silently(
    service: Service, first: RRsetChange, second: RRsetChange
) -> None:
    service.provider.apply(ZONE, [first])
    if service.refuses_conflicts:
        with pytest.raises(PermanentRefusal):
            service.provider.apply(ZONE, [second])
    else:
        assert service.provider.apply(ZONE, [second]).rcode == "NOERROR"

    assert service.provider.probe(ZONE, [first])
    assert not service.provider.probe(ZONE, [second])


@pytest.mark.parametrize(
    "action", ["apply", "probe", "check_permission", "read_marker"]
)
def test_an_unreachable_service(service: Service, action: str) -> None:
    arguments = {
        "apply": (ZONE, [rr("www", "A", "192.0.2.1")]),
        "probe": (ZONE, [rr("www", "A", "192.0.2.1")]),
    }.get(action, (ZONE,))

    kind: type[ProviderError] = Unreachable
    if action == "read_marker" and not service.provider.can_fence:
        kind = Misconfigured
    with pytest.raises(kind):
        getattr(service.unreachable, action)(*arguments)


@pytest.mark.parametrize(
    "changes",
    [
        [],
        [rr("www", "A", "192.0.2.1"), rr("www", "A", "192.0.2.2")],
        [rr("www", "A"), rr("www", "A", "192.0.2.2")],
    ],
    ids=["nothing", "twice", "deleted and created"],
)
def test_a_message_that_makes_no_sense_is_an_error_of_the_caller(
    service: Service, changes: list[RRsetChange]
) -> None:
    with pytest.raises(ValueError):
        service.provider.apply(ZONE, changes)
    assert service.updates() == 0


@pytest.mark.parametrize("rtype", ["SOA", "RRSIG", "ANY", "LUA"])
def test_an_unsupported_type_is_refused(service: Service, rtype: str) -> None:
    with pytest.raises(PermanentRefusal, match=rtype):
        service.provider.apply(ZONE, [rr("www", rtype, "anything")])
    assert service.updates() == 0


def test_a_message_above_the_limit_is_refused_unsent(service: Service) -> None:
    limit = service.provider.max_message_octets
    changes = [rr(f"host{n}", "TXT", f'"{"x" * 250}"') for n in range(limit // 250)]
    assert service.provider.message_octets(ZONE, changes) > limit

    with pytest.raises(MessageTooLarge) as too_large:
        service.provider.apply(ZONE, changes)

    assert too_large.value.kind == "permanent"
    assert service.updates() == 0


@needs("list")
def test_all_that_it_holds_is_listed(service: Service) -> None:
    service.provider.apply(ZONE, ALL_TYPES)

    held: dict[tuple[str, str], tuple[int, set[str]]] = {}
    for part in service.provider.read_zone(ZONE):
        _, records = held.setdefault((part.name, part.type), (part.ttl, set()))
        records.update(part.records)

    wanted = {
        (image.name, image.type): (image.ttl, set(image.records)) for image in ALL_TYPES
    }
    assert {key: held.get(key) for key in wanted} == wanted


@needs("list")
def test_many_messages_of_a_transfer_are_one_zone(service: Service) -> None:
    changes = [rr(f"n{n}", "A", f"192.0.2.{n % 250}") for n in range(400)]
    for start in range(0, 400, 100):
        service.provider.apply(ZONE, changes[start : start + 100])

    names = {part.name for part in service.provider.read_zone(ZONE)}

    assert {change.name for change in changes} <= names


def test_a_zone_that_cannot_be_read_is_said_to_be_so(service: Service) -> None:
    with pytest.raises((Unreachable, Misconfigured)):
        list(service.unreachable.read_zone(ZONE))
