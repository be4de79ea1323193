"""What every provider must do, on the in-memory service and on real DNS messages."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from uuid import uuid4

import dns.message
import dns.name
import dns.query
import dns.rdatatype
import dns.tsig
import pytest

from dns_records.providers import exchange, memory
from dns_records.providers.base import Fence, Provider, RRsetChange, marker_name
from dns_records.providers.errors import (
    Fenced,
    MessageTooLarge,
    OutcomeUnknown,
    PermanentRefusal,
    Unreachable,
)
from dns_records.providers.rfc2136 import Rfc2136Provider
from dnsorch.embedded import nameserver

ZONE = "example.test."
KEY = dns.tsig.Key("dnsorch.", b"k" * 32)
SECRET = "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="


def rr(name: str, rtype: str, *records: str, ttl: int = 300) -> RRsetChange:
    """Return a change of a name relative to the zone."""
    owner = ZONE if name == "@" else f"{name}.{ZONE}"
    return RRsetChange(owner, rtype, ttl if records else 0, records)


class Service(ABC):
    """A DNS service under test, and the handle to make it misbehave."""

    provider: Provider
    unreachable: Provider

    @abstractmethod
    def rrset(self, name: str, rtype: str) -> tuple[int, tuple[str, ...]] | None:
        """Return TTL and sorted records as held, not by way of the provider."""

    @abstractmethod
    def updates(self) -> int:
        """Return how many messages changed something so far."""

    @abstractmethod
    def refuse(self, *names: str) -> None:
        """From now on refuse messages that change these names; without names, all."""

    @abstractmethod
    def ignore(self, name: str) -> None:
        """From now on leave this name out and say NOERROR."""

    @abstractmethod
    def lose_answers(self) -> None:
        """From now on apply, but let no answer arrive in time."""

    @abstractmethod
    def heal(self) -> None:
        """Behave again."""


class InMemory(Service):
    """The in-memory service."""

    def __init__(self) -> None:
        self.name = uuid4().hex
        self.provider = memory.MemoryProvider({"store": self.name}, None)
        self.unreachable = memory.MemoryProvider({"store": self.name + "-away"}, None)
        self.store = memory.store(self.name)
        away = memory.store(self.name + "-away")
        away.faults = memory.Faults(unreachable=True)
        # What the development name server starts with.
        for fresh in (
            rr("@", "NS", "ns1.example.test."),
            rr("ns1", "A", "127.0.0.1"),
        ):
            self.store.rrsets[fresh.name, fresh.type] = fresh

    def rrset(self, name: str, rtype: str) -> tuple[int, tuple[str, ...]] | None:
        held = self.store.rrsets.get((name, rtype))
        return (held.ttl, tuple(sorted(held.records))) if held else None

    def updates(self) -> int:
        return len(self.store.log)

    def refuse(self, *names: str) -> None:
        self.store.faults = memory.Faults(
            refuse_names=frozenset(names), refuse_all=not names
        )

    def ignore(self, name: str) -> None:
        self.store.faults = memory.Faults(ignore_names=frozenset({name}))

    def lose_answers(self) -> None:
        self.store.faults = memory.Faults(lose_answer=True)

    def heal(self) -> None:
        self.store.faults = memory.Faults()


class OnTheWire(Service):
    """The development name server behind the RFC 2136 provider."""

    def __init__(self, server: nameserver.Running) -> None:
        self.server = server
        options = {
            "server": server.host,
            "port": server.port,
            "key_name": "dnsorch.",
            "timeout_s": 5.0,
        }
        self.provider = Rfc2136Provider(options, secret)
        self.impatient = Rfc2136Provider({**options, "timeout_s": 0.2}, secret)
        self.patient = self.provider
        # The server listens on another address of the loopback.
        self.unreachable = Rfc2136Provider({**options, "server": "127.0.0.2"}, secret)

    def rrset(self, name: str, rtype: str) -> tuple[int, tuple[str, ...]] | None:
        query = dns.message.make_query(name, rtype, flags=0)
        answer = dns.query.tcp(query, self.server.host, 5, self.server.port)
        found = answer.get_rrset(
            answer.answer,
            dns.name.from_text(name),
            dns.rdataclass.IN,
            dns.rdatatype.from_text(rtype),
        )
        return (found.ttl, tuple(sorted(r.to_text() for r in found))) if found else None

    def updates(self) -> int:
        return len(self.server.updates)

    def refuse(self, *names: str) -> None:
        self.server.faults = nameserver.Faults(
            refuse_names=frozenset(map(dns.name.from_text, names)),
            refuse_updates=not names,
        )

    def ignore(self, name: str) -> None:
        self.server.faults = nameserver.Faults(
            ignore_names=frozenset({dns.name.from_text(name)})
        )

    def lose_answers(self) -> None:
        self.server.faults = nameserver.Faults(answer_delay=0.4)
        self.provider = self.impatient

    def heal(self) -> None:
        self.server.faults = nameserver.Faults()
        self.provider = self.patient


def secret(*, fresh: bool = False) -> str:
    """Return the key of the development name server."""
    return SECRET


@contextmanager
def in_memory() -> Iterator[Service]:
    """Run the in-memory service."""
    service = InMemory()
    yield service
    memory.forget(service.name)
    memory.forget(service.name + "-away")


@contextmanager
def on_the_wire() -> Iterator[Service]:
    """Run the development name server."""
    with nameserver.running([ZONE], keyring={KEY.name: KEY}) as server:
        yield OnTheWire(server)
        exchange.close_kept()


@pytest.fixture(params=[in_memory, on_the_wire], ids=["memory", "rfc2136"])
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    """Each service in turn."""
    with request.param() as running:
        yield running


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
    rr("all", "MX", "10 mail.example.test.", "20 a."),
    rr("sub", "NS", "ns1.example.net.", "ns2.example.net."),
    rr("all", "PTR", "host.example.net."),
    rr("_sip._tcp", "SRV", "1 2 5060 sip.example.net.", "0 0 0 a."),
    rr("all", "TXT", '"v=spf1 -all"', '"a" "b"', '"\\195\\164"', '""'),
]


def test_writes_every_supported_type(service: Service) -> None:
    assert {change.type for change in ALL_TYPES} == service.provider.supported_types

    receipt = service.provider.apply(ZONE, ALL_TYPES, fence=Fence(None, "m" * 255))

    assert service.provider.probe(ZONE, ALL_TYPES)
    assert receipt.octets <= service.provider.message_octets(ZONE, ALL_TYPES)


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
        service.provider.apply(ZONE, [good, bad], fence=Fence(None, "v1 1 1"))

    assert refusal.value.rcode == "REFUSED"
    assert service.rrset(good.name, "A") is None
    assert service.provider.read_marker(ZONE) is None
    assert service.updates() == 0


def test_a_name_outside_the_zone_refuses_the_whole_message(service: Service) -> None:
    outside = RRsetChange("www.example.net.", "A", 300, ("192.0.2.1",))

    with pytest.raises(PermanentRefusal) as refusal:
        service.provider.apply(ZONE, [rr("www", "A", "192.0.2.1"), outside])

    assert refusal.value.rcode == "NOTZONE"
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
def test_a_cname_conflict_is_ignored_silently(
    service: Service, first: RRsetChange, second: RRsetChange
) -> None:
    service.provider.apply(ZONE, [first])
    assert service.provider.apply(ZONE, [second]).rcode == "NOERROR"

    assert service.provider.probe(ZONE, [first])
    assert not service.provider.probe(ZONE, [second])


def test_permission_granted_changes_nothing(service: Service) -> None:
    service.provider.check_permission(ZONE)

    assert service.provider.read_marker(ZONE) is None
    assert service.rrset(marker_name(ZONE), "TXT") is None


def test_permission_granted_leaves_the_marker(service: Service) -> None:
    service.provider.apply(ZONE, [], fence=Fence(None, "v1 1 1"))
    service.provider.check_permission(ZONE)

    assert service.provider.read_marker(ZONE) == "v1 1 1"


def test_permission_refused(service: Service) -> None:
    service.refuse()

    with pytest.raises(PermanentRefusal) as refusal:
        service.provider.check_permission(ZONE)
    assert refusal.value.rcode == "REFUSED"


def test_the_first_marker_needs_a_free_name(service: Service) -> None:
    assert service.provider.read_marker(ZONE) is None

    service.provider.apply(
        ZONE, [rr("www", "A", "192.0.2.1")], fence=Fence(None, "v1 1 1")
    )

    assert service.provider.read_marker(ZONE) == "v1 1 1"
    assert service.rrset(marker_name(ZONE), "TXT") == (
        0,
        ("v1 1 1" if isinstance(service, InMemory) else '"v1 1 1"',),
    )
    with pytest.raises(Fenced) as fenced:
        service.provider.apply(
            ZONE, [rr("www", "A", "192.0.2.2")], fence=Fence(None, "v1 2 1")
        )
    assert fenced.value.rcode == "YXDOMAIN"
    assert service.rrset("www." + ZONE, "A") == (300, ("192.0.2.1",))
    assert service.provider.read_marker(ZONE) == "v1 1 1"


def test_the_marker_moves_with_the_changes(service: Service) -> None:
    for number, fence in enumerate(
        [Fence(None, "v1 1 1"), Fence("v1 1 1", "v1 1 2"), Fence("v1 1 2", "v1 2 2")]
    ):
        service.provider.apply(ZONE, [rr("www", "A", f"192.0.2.{number}")], fence=fence)
        assert service.provider.read_marker(ZONE) == fence.next
        assert service.rrset("www." + ZONE, "A") == (300, (f"192.0.2.{number}",))


def test_the_marker_moves_alone(service: Service) -> None:
    service.provider.apply(ZONE, [], fence=Fence(None, "v1 1 1"))
    service.provider.apply(ZONE, [], fence=Fence("v1 1 1", "v1 2 1"))

    assert service.provider.read_marker(ZONE) == "v1 2 1"
    assert service.updates() == 2


@pytest.mark.parametrize("previous", ["v1 1 0", "v1 1 11", "v1 1", "V1 1 1", "", None])
def test_a_stale_marker_fences(service: Service, previous: str | None) -> None:
    service.provider.apply(ZONE, [], fence=Fence(None, "v1 1 1"))

    with pytest.raises(Fenced):
        service.provider.apply(
            ZONE, [rr("www", "A", "192.0.2.1")], fence=Fence(previous, "v1 1 2")
        )

    assert service.rrset("www." + ZONE, "A") is None
    assert service.provider.read_marker(ZONE) == "v1 1 1"
    assert service.updates() == 1


def test_a_missing_marker_fences(service: Service) -> None:
    with pytest.raises(Fenced):
        service.provider.apply(ZONE, [], fence=Fence("v1 1 1", "v1 1 2"))

    assert service.provider.read_marker(ZONE) is None


def test_an_identical_resend_is_fenced(service: Service) -> None:
    service.provider.apply(ZONE, [], fence=Fence(None, "v1 1 1"))
    step = Fence("v1 1 1", "v1 1 2")
    service.provider.apply(ZONE, [rr("www", "A", "192.0.2.1")], fence=step)

    with pytest.raises(Fenced) as fenced:
        service.provider.apply(ZONE, [rr("www", "A", "192.0.2.1")], fence=step)

    assert fenced.value.rcode == "NXRRSET"
    assert service.provider.read_marker(ZONE) == step.next
    assert service.updates() == 2


def test_a_late_message_is_fenced_though_the_value_came_back(service: Service) -> None:
    # A, B, A again: the late message would find the value that it knew.
    images = [rr("www", "A", f"192.0.2.{n}") for n in (1, 2, 1)]
    previous = None
    for number, image in enumerate(images):
        service.provider.apply(ZONE, [image], fence=Fence(previous, f"v1 1 {number}"))
        previous = f"v1 1 {number}"

    with pytest.raises(Fenced):
        service.provider.apply(ZONE, [images[1]], fence=Fence("v1 1 0", "v1 1 1"))

    assert service.rrset("www." + ZONE, "A") == (300, ("192.0.2.1",))


def test_one_of_many_racing_steps_wins(service: Service) -> None:
    service.provider.apply(ZONE, [], fence=Fence(None, "start"))

    def race(number: int) -> str | None:
        change = rr("www", "A", f"192.0.2.{number}")
        try:
            service.provider.apply(ZONE, [change], fence=Fence("start", str(number)))
        except Fenced:
            return None
        finally:
            exchange.close_kept()
        return str(number)

    with ThreadPoolExecutor(8) as pool:
        winners = [winner for winner in pool.map(race, range(8)) if winner is not None]

    assert winners == [service.provider.read_marker(ZONE)]
    assert service.rrset("www." + ZONE, "A") == (300, (f"192.0.2.{winners[0]}",))


def test_a_wildcard_does_not_pass_for_the_marker(service: Service) -> None:
    service.provider.apply(ZONE, [rr("*", "TXT", '"v1 9 9"')])

    assert service.provider.read_marker(ZONE) is None
    service.provider.apply(ZONE, [], fence=Fence(None, "v1 1 1"))
    assert service.provider.read_marker(ZONE) == "v1 1 1"


def test_a_lost_answer_leaves_the_outcome_unknown(service: Service) -> None:
    service.provider.apply(ZONE, [], fence=Fence(None, "v1 1 1"))
    service.lose_answers()
    step, change = Fence("v1 1 1", "v1 1 2"), rr("www", "A", "192.0.2.1")

    with pytest.raises(OutcomeUnknown) as unknown:
        service.provider.apply(ZONE, [change], fence=step)

    assert unknown.value.answered is False
    service.heal()
    with pytest.raises(Fenced):
        service.provider.apply(ZONE, [change], fence=step)
    assert service.provider.read_marker(ZONE) == step.next
    assert service.provider.probe(ZONE, [change])


@pytest.mark.parametrize(
    "action", ["apply", "probe", "check_permission", "read_marker"]
)
def test_an_unreachable_service(service: Service, action: str) -> None:
    arguments = {
        "apply": (ZONE, [rr("www", "A", "192.0.2.1")]),
        "probe": (ZONE, [rr("www", "A", "192.0.2.1")]),
    }.get(action, (ZONE,))

    with pytest.raises(Unreachable):
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


@pytest.mark.parametrize("rtype", ["SOA", "RRSIG", "ANY", "TYPE65280"])
def test_an_unsupported_type_is_refused(service: Service, rtype: str) -> None:
    with pytest.raises(PermanentRefusal, match=rtype):
        service.provider.apply(ZONE, [rr("www", rtype, "anything")])
    assert service.updates() == 0


def test_a_message_above_the_limit_is_refused_unsent(service: Service) -> None:
    changes = [rr(f"host{n}", "TXT", f'"{"x" * 250}"') for n in range(260)]
    assert service.provider.message_octets(ZONE, changes) > 65_535

    with pytest.raises(MessageTooLarge) as too_large:
        service.provider.apply(ZONE, changes)

    assert too_large.value.kind == "permanent"
    assert service.updates() == 0
