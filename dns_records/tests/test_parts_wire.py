"""Requests with parts on servers that speak DNS, each zone on a server of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import dns.message
import dns.query
import pytest
from rest_framework.test import APIClient

from deploy.services import tsig
from deploy.services.ports import HOST
from dns_records.models import Zone
from dns_records.services import backends, sweep, zones
from dns_records.tests.callers import (
    CHANGESETS,
    accepted,
    caller,
    change,
    changeset,
    deliver,
)
from dnsorch.embedded.nameserver import running
from dnsorch.tests import real
from requests_tracker.models import Request

if TYPE_CHECKING:
    from dns_records.tests.provider_daemons import Daemons

pytestmark = pytest.mark.django_db(transaction=True)

FORWARD, REVERSE = "example.test.", "0/26.2.0.192.in-addr.arpa."
ADDRESS, POINTER = "192.0.2.7", f"7.{REVERSE}"


def on(port: int, name: str, **fields: str) -> Zone:
    """Register a zone on the server of a port; ``fields`` name the backend's key."""
    options = {"server": HOST, "port": port}
    if fields:
        options["key_name"] = tsig.OURS
    backend = backends.save(name=name, driver="rfc2136", options=options, **fields)
    return zones.register(
        name=name,
        backend=backend,
        nameservers=[f"{HOST}:{port}"],
        verify_deadline_s=10,
    )


@pytest.fixture(params=["development", *(["bind"] if real.WANTED else [])])
def pair(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Zone, Zone]]:
    """The forward zone on each server in turn, the reverse zone on another one."""
    with running([FORWARD]) as near, running([REVERSE]) as far:
        if request.param == "development":
            yield on(near.port, FORWARD), on(far.port, REVERSE)
            return
        daemons: Daemons = request.getfixturevalue("daemons")
        daemon = daemons.server("bind").daemon  # type: ignore[attr-defined]
        monkeypatch.setenv("PARTS_KEY", tsig.secret(daemon.root, tsig.OURS))
        forward = on(daemon.port, FORWARD, secret_reference="env:PARTS_KEY")
        yield forward, on(far.port, REVERSE)


def asked(zone: Zone, name: str, rtype: str) -> list[str]:
    """Return what the zone's server answers."""
    (address,) = zone.nameservers
    query = dns.message.make_query(name, rtype, flags=0)
    answer = dns.query.udp(query, HOST, 5, int(address.rpartition(":")[2]))
    return sorted(record.to_text() for rrset in answer.answer for record in rrset)


def ended(request_id: str, *pair: Zone) -> Request:
    """Do what workers and sweep do until the request is final; return it."""
    end = time.monotonic() + 30
    while not (found := Request.objects.get(pk=request_id)).is_final:
        assert time.monotonic() < end, list(found.events.values_list("message"))
        for zone in pair:
            deliver(zone)
        sweep.Sweeper().once()
        time.sleep(0.05)
    return found


def test_an_address_with_its_pointer(pair: tuple[Zone, Zone]) -> None:
    forward, reverse = pair
    api = caller()
    body = accepted(api, change("add", "www", ADDRESS, ptr=True))
    assert ended(body["id"], *pair).status == "completed"
    assert asked(forward, "www.example.test.", "A") == [ADDRESS]
    assert asked(reverse, POINTER, "PTR") == ["www.example.test."]
    body = accepted(api, change("delete", "www", ptr=True))
    assert ended(body["id"], *pair).status == "completed"
    assert asked(forward, "www.example.test.", "A") == []
    assert asked(reverse, POINTER, "PTR") == []


def both(api: APIClient, **fields: str) -> str:
    """Change both zones in one request; return its id."""
    changes = [
        change("add", "www.example.test.", ADDRESS),
        change("add", POINTER, "www.example.test.", type="PTR"),
    ]
    answer = api.post(CHANGESETS, {"changes": changes, **fields})
    assert answer.status_code == 202, answer.json()
    request_id: str = answer.json()["id"]
    return request_id


def test_what_is_in_dns_is_put_back(pair: tuple[Zone, Zone]) -> None:
    forward, reverse = pair
    # Nobody answers there: the part fails at its deadline, in the sweep.
    reverse.backend.options["port"] = 1
    reverse.backend.save()
    request_id = both(caller(), on_failure="revert")
    deliver(forward)
    assert asked(forward, "www.example.test.", "A") == [ADDRESS]
    part = Request.objects.filter(part_of__pk=request_id, zone=REVERSE)
    part.update(deadline_at="2026-01-01T00:00:00Z")
    found = ended(request_id, forward)
    assert (found.status, found.error_code) == ("failed", "parts_failed")
    assert found.error is not None
    assert "example.test. is completed and put back" in found.error["detail"]
    assert asked(forward, "www.example.test.", "A") == []


def test_a_dry_run_speaks_to_nobody(pair: tuple[Zone, Zone]) -> None:
    body = changeset(change("add", "www", ADDRESS, ptr=True))
    plans = caller().post(f"{CHANGESETS}?dry_run=true", body).json()["plans"]
    assert [plan["zone"] for plan in plans] == [FORWARD, REVERSE]
    assert asked(pair[0], "www.example.test.", "A") == []
