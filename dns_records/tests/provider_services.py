"""The services that the provider contract is tried on, and how they misbehave."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, ClassVar
from uuid import uuid4

import dns.message
import dns.name
import dns.query
import dns.rdatatype
import dns.tsig
import httpx

from dns_records.providers import aws, exchange, memory
from dns_records.providers.base import Fence, Provider, RRsetChange
from dns_records.providers.powerdns import PowerDnsProvider
from dns_records.providers.rfc2136 import Rfc2136Provider
from dns_records.providers.route53 import Route53Provider
from dns_records.tests import powerdns_server, route53_server
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
    refuses_conflicts: ClassVar[bool] = False
    """Whether it refuses a CNAME beside other data, instead of ignoring it."""
    cannot: ClassVar[dict[str, str]] = {}
    """What it cannot do, and why."""

    def fence(self, previous: str | None, following: str) -> Fence | None:
        """Return the fence, None if the service has none."""
        return Fence(previous, following) if self.provider.can_fence else None

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

    cannot = {"expire": "nothing is ever on its way"}

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
        self.provider = Rfc2136Provider(options, tsig_secret)
        self.impatient = Rfc2136Provider({**options, "timeout_s": 0.2}, tsig_secret)
        self.patient = self.provider
        # The server listens on another address of the loopback.
        self.unreachable = Rfc2136Provider(
            {**options, "server": "127.0.0.2"}, tsig_secret
        )

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


def tsig_secret(*, fresh: bool = False) -> str:
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


class PowerDns(Service):
    """A likeness of the PowerDNS API behind its provider."""

    refuses_conflicts = True
    cannot = {
        "fence": "the API has no compare-and-set",
        "expect": "the API has no compare-and-set",
        "expire": "nothing in a PATCH says until when it may be carried out",
        "policy": "an API key opens everything or nothing",
    }

    def __init__(self, server: powerdns_server.PowerDns) -> None:
        self.server = server
        options = {"url": server.url}
        self.provider = PowerDnsProvider(options, api_key)
        self.patient = self.provider
        self.impatient = PowerDnsProvider({**options, "timeout_s": 0.5}, api_key)
        # The server listens on another address of the loopback.
        away = server.url.replace("127.0.0.1", "127.0.0.2")
        self.unreachable = PowerDnsProvider({"url": away}, api_key)

    def rrset(self, name: str, rtype: str) -> tuple[int, tuple[str, ...]] | None:
        held = self.server.rrsets.get((name, rtype))
        if held is None:
            return None
        return held["ttl"], tuple(sorted(r["content"] for r in held["records"]))

    def updates(self) -> int:
        return self.server.patches

    def refuse(self, *names: str) -> None:
        for name in names:
            self.server.put(name, "CNAME", "taken.example.net.")

    def ignore(self, name: str) -> None:
        self.server.ignored = name

    def lose_answers(self) -> None:
        self.server.answers.clear()
        self.provider = self.impatient

    def heal(self) -> None:
        self.server.answers.set()
        self.provider = self.patient


class RealPowerDns(Service):
    """A real PowerDNS server behind the provider of its API."""

    refuses_conflicts = True
    cannot = {
        **PowerDns.cannot,
        "ignore": "it never ignores a part of a PATCH",
        "lose": "it answers at once",
    }

    def __init__(self, url: str, key: str) -> None:
        self.api = httpx.Client(
            base_url=f"{url}/api/v1/servers/localhost",
            headers={"X-API-Key": key},
            limits=httpx.Limits(max_keepalive_connections=0),
        )

        def secret(*, fresh: bool = False) -> str:
            return key

        self.provider = PowerDnsProvider({"url": url}, secret)
        away = httpx.URL(url).copy_with(host="127.0.0.2")
        self.unreachable = PowerDnsProvider({"url": str(away)}, secret)

    def create(self) -> None:
        """Create the zone anew."""
        self.remove()
        body = {"name": ZONE, "kind": "Native", "nameservers": [f"ns1.{ZONE}"]}
        self.api.post("/zones", json=body).raise_for_status()
        self.first_serial = self.serial()

    def remove(self) -> None:
        """Remove the zone."""
        self.api.delete(f"/zones/{ZONE}")

    def serial(self) -> int:
        """Return the serial, which each PATCH moves by one."""
        return int(self.zone()["serial"])

    def zone(self) -> dict[str, Any]:
        """Return the zone as the API shows it."""
        answer = self.api.get(f"/zones/{ZONE}").raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def rrset(self, name: str, rtype: str) -> tuple[int, tuple[str, ...]] | None:
        for held in self.zone()["rrsets"]:
            if (held["name"], held["type"]) == (name, rtype):
                records = sorted(each["content"] for each in held["records"])
                return held["ttl"], tuple(records)
        return None

    def updates(self) -> int:
        return self.serial() - self.first_serial

    def refuse(self, *names: str) -> None:
        for name in names:
            records = [{"content": "taken.example.net.", "disabled": False}]
            rrset = {"name": name, "type": "CNAME", "ttl": 300, "records": records}
            body = {"rrsets": [rrset | {"changetype": "REPLACE"}]}
            self.api.patch(f"/zones/{ZONE}", json=body).raise_for_status()
            self.first_serial += 1

    def ignore(self, name: str) -> None:
        pass

    def lose_answers(self) -> None:
        pass

    def heal(self) -> None:
        pass


class Route53(Service):
    """moto's Route 53 behind its provider."""

    refuses_conflicts = True
    cannot = {
        "expect": "a batch checks what it deletes, nothing else",
        "expire": "a signature is good for minutes",
    }

    def __init__(self, server: route53_server.Route53) -> None:
        self.server = server
        options = {"endpoint_url": server.endpoint_url}
        self.provider = Route53Provider(options, aws_key)
        self.patient = self.provider
        self.impatient = Route53Provider({**options, "timeout_s": 0.5}, aws_key)
        # The server listens on another address of the loopback.
        away = server.endpoint_url.replace("127.0.0.1", "127.0.0.2")
        self.unreachable = Route53Provider({"endpoint_url": away}, aws_key)

    def rrset(self, name: str, rtype: str) -> tuple[int, tuple[str, ...]] | None:
        held = self.server.held(ZONE).get((aws.owner(name), rtype))
        if held is None:
            return None
        return held["TTL"], tuple(sorted(map(aws.unescaped, held["ResourceRecords"])))

    def updates(self) -> int:
        return len(self.server.batches)

    def refuse(self, *names: str) -> None:
        self.server.denied = frozenset(names) or None

    def ignore(self, name: str) -> None:
        self.server.ignored = name

    def lose_answers(self) -> None:
        self.server.answers.clear()
        self.provider = self.impatient

    def heal(self) -> None:
        self.server.answers.set()
        self.provider = self.patient


def api_key(*, fresh: bool = False) -> str:
    """Return the API key of the likeness of PowerDNS."""
    return powerdns_server.API_KEY


def aws_key(*, fresh: bool = False) -> str:
    """Return credentials, which moto takes whatever they are."""
    return '{"aws_access_key_id": "AKIA0TEST", "aws_secret_access_key": "aws-secret"}'


@contextmanager
def powerdns() -> Iterator[Service]:
    """Run a likeness of PowerDNS."""
    with powerdns_server.running(ZONE) as server:
        yield PowerDns(server)


RUNNING: dict[str, Callable[[], AbstractContextManager[Service]]] = {
    "memory": in_memory,
    "rfc2136": on_the_wire,
    "powerdns": powerdns,
}
