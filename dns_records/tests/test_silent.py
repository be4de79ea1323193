"""What BIND leaves out and says NOERROR to: refused at the door, or found afterwards.

The items are those of BIND's ``lib/ns/update.c``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import pytest

from deploy.services import bind, tsig
from deploy.services.ports import HOST
from dns_records.models import Zone
from dns_records.providers.base import RRsetChange
from dns_records.services import backends, delivery, verification, zones
from dns_records.tests import world
from dns_records.tests.findings import ZONE
from dns_records.tests.provider_daemons import Bind, RealServer
from dns_records.tests.provider_services import rr
from dns_records.tests.signing_daemon import SigningBind, SigningPrimary
from dns_records.tests.world import draft, fresh, post
from dnsorch.tests import real
from dnsorch.tests.e2e.harness import until
from requests_tracker.models import Request

if TYPE_CHECKING:
    from dns_records.tests.provider_daemons import Daemons

pytestmark = pytest.mark.django_db

A = "192.0.2.1"
# RFC 6605 section 6.1.
KEY = (
    "257 3 13 GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edb"
    "krSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA=="
)
DS = f"1 13 2 {'aa' * 32}"
Held = list[tuple[str, str, str]]

# What is there, what is asked for ("-" deletes the RRset), the code of the refusal.
IGNORED: dict[str, tuple[Held, tuple[str, str, str], str]] = {
    "a CNAME beside data": (
        [("www", "A", A)],
        ("www", "CNAME", "a.test."),
        "cname_conflict",
    ),
    "data beside a CNAME": (
        [("www", "CNAME", "a.test.")],
        ("www", "A", A),
        "cname_conflict",
    ),
    "a DNAME beside a CNAME": (
        [("www", "CNAME", "a.test.")],
        ("www", "DNAME", "a.test."),
        "cname_conflict",
    ),
    "NS at a wildcard": ([], ("*.w", "NS", "ns.a.test."), "type_at_wildcard"),
    "DNAME at a wildcard": ([], ("*.w", "DNAME", "a.test."), "type_at_wildcard"),
    "DS at the apex": ([], ("@", "DS", DS), "ds_at_apex"),
    "DS without NS": ([], ("sub", "DS", DS), "ds_without_ns"),
    "the last NS of the apex": (
        [("@", "NS", "ns1.example.test.")],
        ("@", "NS", "-"),
        "apex_ns_required",
    ),
}
# The name server's own, so no client may write it.
REFUSED_TYPES = {
    "a second SOA, or one with a lower serial": "SOA",
    "NSEC3PARAM, which would start a chain": "NSEC3PARAM",
    "signatures": "RRSIG",
}


def asked(name: str, rtype: str, value: str) -> Request:
    """Post one change, ``-`` for a deletion."""
    records = () if value == "-" else (value,)
    return post(draft("put" if records else "delete", name, rtype, *records))


@pytest.mark.parametrize("item", IGNORED)
def test_it_is_refused_at_the_door(zone: Zone, item: str) -> None:
    held, change, code = IGNORED[item]
    for each in held:
        assert asked(*each).status == "queued"
    request = asked(*change)
    assert (request.status, request.error_code) == ("rejected", code)


@pytest.mark.parametrize("item", REFUSED_TYPES)
def test_its_type_is_refused_at_the_door(zone: Zone, item: str) -> None:
    request = asked("@", REFUSED_TYPES[item], "x")
    assert (request.status, request.error_code) == ("rejected", "unsupported_type")


def test_the_ttl_of_the_other_records_changes_with_a_warning(zone: Zone) -> None:
    """RFC 2181 section 5.2: BIND changes them, too, and says nothing."""
    post(draft("put", "www", "A", A, ttl=60))
    request = post(draft("add", "www", "A", "192.0.2.2", ttl=300))
    data = request.events.get(step="validated").data
    assert [each["code"] for each in data["warnings"]] == ["ttl_shared"]


def change_of(name: str, rtype: str, value: str) -> RRsetChange:
    return rr(name, rtype) if value == "-" else rr(name, rtype, value)


@pytest.mark.skipif(not real.WANTED, reason="needs BIND")
@pytest.mark.parametrize("item", IGNORED)
def test_bind_ignores_it(daemons: Daemons, item: str) -> None:
    """What is refused at the door would be lost otherwise."""
    held, change, _ = IGNORED[item]
    provider = daemons.server("bind").provider
    for each in held:
        provider.apply(ZONE, [change_of(*each)])
    assert provider.apply(ZONE, [change_of(*change)]).rcode == "NOERROR"
    assert provider.probe(ZONE, [change_of(*change)]) is False


# --- what only the server knows ----------------------------------------------------


class StrictPrimary(bind.Primary):
    """BIND that lowers TTLs, and takes few TXT records at a name."""

    def configuration(self) -> Mapping[str, str]:
        """Return the usual configuration with limits of the zone."""
        files = super().configuration()
        policy, ours = "    update-policy {", "grant dnsorch. zonesub ANY;"
        strict = files["named.conf"].replace(policy, f"    max-zone-ttl 600;\n{policy}")
        few = "grant dnsorch. zonesub TXT(2) A AAAA NS;"
        return {**files, "named.conf": strict.replace(ours, few)}


def on_bind(service: RealServer, monkeypatch: pytest.MonkeyPatch) -> Zone:
    """Return the zone of a server."""
    daemon = service.daemon
    monkeypatch.setenv("STRICT_KEY", tsig.secret(daemon.root, tsig.OURS))
    backend = backends.save(
        name="strict",
        driver="rfc2136",
        options={"server": HOST, "port": daemon.port, "key_name": tsig.OURS},
        secret_reference="env:STRICT_KEY",
    )
    servers = [f"{HOST}:{daemon.port}"]
    return zones.register(
        name=ZONE, backend=backend, nameservers=servers, verify_deadline_s=1
    )


def decided(zone: Zone, request: Request) -> tuple[str, str]:
    """Send, and ask until it is decided; return state and error."""
    delivery.drain(zone.pk)

    def final() -> Request | None:
        verification.check(zone.pk)
        found = fresh(request)
        return found if found.is_final else None

    found = until(final, "it is decided", 10)
    return found.status, found.error_code


@pytest.mark.skipif(not real.WANTED, reason="needs BIND")
@pytest.mark.parametrize(
    ("ask", "code"),
    [
        # The records are there, with another TTL: name servers tell.
        (lambda: post(draft("put", "www", "A", A, ttl=3600)), "not_verified"),
        # The update server itself is asked after each message that it took.
        (lambda: post(draft("put", "www", "TXT", "a", "b", "c")), "ignored_by_server"),
    ],
    ids=["a TTL above max-zone-ttl", "records above the update-policy's maximum"],
)
def test_it_is_found_afterwards(
    daemons: Daemons,
    monkeypatch: pytest.MonkeyPatch,
    ask: Callable[[], Request],
    code: str,
) -> None:
    service = daemons.server("bind-strict", (StrictPrimary, Bind))
    assert isinstance(service, Bind)
    zone = on_bind(service, monkeypatch)
    fine = post(draft("put", "www", "A", A, ttl=600), draft("put", "t", "TXT", "a"))
    assert decided(zone, fine) == ("completed", "")
    assert decided(zone, ask()) == ("failed", code)


@pytest.mark.skipif(not real.WANTED, reason="needs BIND")
def test_a_key_in_use_is_not_taken_away(
    daemons: Daemons, monkeypatch: pytest.MonkeyPatch
) -> None:
    """BIND 9.18 answers SERVFAIL where no key would be left to sign with.

    That is no success. After three such answers it is the message that is at fault.
    """
    server = daemons.server("bind-signing", (SigningPrimary, SigningBind))
    assert isinstance(server, SigningBind)
    zone = on_bind(server, monkeypatch)
    request = asked("@", "DNSKEY", KEY)
    delivery.drain(zone.pk)
    delayed = fresh(request)
    assert not delayed.is_final
    last = delayed.events.order_by("sequence").last()
    assert last and "SERVFAIL" in last.message

    def final() -> Request | None:
        world.hurry(zone)
        delivery.drain(zone.pk)
        found = fresh(request)
        return found if found.is_final else None

    ended = until(final, "it is given up", 10)
    assert (ended.status, ended.error_code) == ("failed", "refused_by_server")
    assert ended.error and "SERVFAIL" in ended.error["detail"]
    kept = server.rrset(ZONE, "DNSKEY")
    assert kept and kept[1] == server.own_keys
