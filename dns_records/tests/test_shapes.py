"""Wildcards, delegations, empty non-terminals, DNAME: no check is misled by them.

On the development name server, and on BIND where the real services are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dns.query
import dns.tsig
import dns.update
import pytest

from deploy.services import tsig
from deploy.services.ports import HOST
from dns_records.images import Image, Key
from dns_records.models import RRset, Zone
from dns_records.providers.base import Provider, RRsetChange
from dns_records.services import backends, delivery, queue, verification, zones
from dns_records.tests.provider_services import ZONE, OnTheWire, on_the_wire
from dns_records.tests.world import applied, draft, fresh, hurry, post
from dnsorch.tests import real
from dnsorch.tests.e2e.harness import until
from requests_tracker.models import Request

if TYPE_CHECKING:
    from dns_records.tests.provider_daemons import Daemons

pytestmark = pytest.mark.django_db

A, B = "192.0.2.1", "192.0.2.2"


@dataclass
class Place:
    """A zone, and the provider that asks its update server."""

    zone: Zone
    provider: Provider
    secret: str
    port: int

    def deliver(self, request: Request) -> Request:
        """Send, and ask until it is decided."""
        hurry(self.zone)
        delivery.drain(self.zone.pk)

        def final() -> Request | None:
            verification.check(self.zone.pk)
            found = fresh(request)
            return found if found.is_final else None

        return until(final, "it is decided", 10)

    def holds(self, name: str, rtype: str) -> bool:
        """Return whether the update server holds what we believe it does."""
        row = RRset.objects.get(name=name, type=rtype)
        image = Image.load(row.applied)
        wanted = queue.rrset_change(Key(name, rtype), image)
        return self.provider.probe(ZONE, [wanted])

    def foreign(self, name: str, rtype: str, text: str) -> None:
        """Have other hands add a record."""
        key = dns.tsig.Key(tsig.OURS, self.secret)
        message = dns.update.UpdateMessage(ZONE, keyring={key.name: key})
        message.add(name, 300, rtype, text)
        answer = dns.query.tcp(message, HOST, 5, self.port)
        assert answer.rcode() == 0


@pytest.fixture(params=["development", *(["bind"] if real.WANTED else [])])
def place(
    request: pytest.FixtureRequest, db: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    """Each server in turn."""
    if request.param == "bind":
        daemons: Daemons = request.getfixturevalue("daemons")
        service = daemons.server("bind")
        daemon = service.daemon  # type: ignore[attr-defined]
        secret = tsig.secret(daemon.root, tsig.OURS)
        yield _place(service.provider, secret, daemon.port, monkeypatch)
        return
    with on_the_wire() as service:
        assert isinstance(service, OnTheWire) and service.provider.secret
        yield _place(
            service.provider,
            service.provider.secret(),
            service.server.port,
            monkeypatch,
        )


def _place(
    provider: Provider, secret: str, port: int, monkeypatch: pytest.MonkeyPatch
) -> Place:
    monkeypatch.setenv("SHAPES_KEY", secret)
    backend = backends.save(
        name="shapes",
        driver="rfc2136",
        options={"server": HOST, "port": port, "key_name": tsig.OURS},
        secret_reference="env:SHAPES_KEY",
    )
    zone = zones.register(
        name=ZONE,
        backend=backend,
        nameservers=[f"{HOST}:{port}"],
        verify_deadline_s=3,
    )
    return Place(zone, provider, secret, port)


def test_a_name_deleted_below_a_wildcard_is_gone_and_still_answered(
    place: Place,
) -> None:
    """The wildcard answers in its place: no false failure."""
    created = post(draft("add", "*.wild", "A", B), draft("add", "www.wild", "A", A))
    assert place.deliver(created).status == "completed"
    deleted = place.deliver(post(draft("delete", "www.wild", "A")))
    assert deleted.status == "completed"
    assert place.holds("www.wild.example.test.", "A")


def test_a_name_that_only_a_wildcard_answers_for_does_not_pass(place: Place) -> None:
    """Asked for alone, the name has just what is wanted; the server holds it not."""
    post(draft("add", "*.wild", "A", A))
    place.deliver(post(draft("add", "x", "A", A)))
    wanted = RRsetChange("www.wild.example.test.", "A", 300, (A,))
    assert place.provider.probe(ZONE, [wanted]) is False
    request = place.deliver(post(draft("add", "www.wild", "A", A)))
    assert request.status == "completed"
    assert place.provider.probe(ZONE, [wanted]) is True


def test_a_delegation_and_what_it_hides_are_verified(place: Place) -> None:
    request = place.deliver(
        post(
            draft("add", "sub", "NS", "ns1.sub.example.test.", "ns.example.net."),
            draft("add", "ns1.sub", "A", A),
            draft("add", "deep.sub", "TXT", '"hidden"'),
        )
    )
    assert request.status == "completed"
    assert len(applied(place.zone)) == 3
    assert place.holds("deep.sub.example.test.", "TXT")
    gone = place.deliver(
        post(draft("delete", "deep.sub", "TXT"), draft("delete", "ns1.sub", "A"))
    )
    assert gone.status == "completed"
    assert place.holds("deep.sub.example.test.", "TXT")


def test_an_empty_non_terminal_is_absent_and_present(place: Place) -> None:
    request = place.deliver(
        post(draft("add", "a.ent", "A", A), draft("add", "ent", "TXT", '"here"'))
    )
    assert request.status == "completed"
    assert place.deliver(post(draft("delete", "ent", "TXT"))).status == "completed"
    assert place.holds("ent.example.test.", "TXT")
    assert place.holds("a.ent.example.test.", "A")


def test_what_stands_below_a_dname_is_verified_at_the_update_server(
    place: Place,
) -> None:
    """The development name server answers for it as if no DNAME were there."""
    place.foreign("moved.example.test.", "DNAME", "elsewhere.example.net.")
    for change in (
        draft("add", "x.moved", "A", A),
        draft("add", "y.moved", "CNAME", "www.example.net."),
        draft("delete", "y.moved", "CNAME"),
    ):
        found = place.deliver(post(change))
        assert found.status == "completed", found.error
    assert place.holds("x.moved.example.test.", "A")
    assert place.holds("y.moved.example.test.", "CNAME")
