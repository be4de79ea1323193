"""A lane from end to end on the HTTP APIs of DNS services."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest

from dns_records.models import Batch, Zone
from dns_records.providers.base import marker_name
from dns_records.services import backends, delivery, verification, zones
from dns_records.tests.provider_services import ZONE as NAME
from dns_records.tests.provider_services import PowerDns, Route53, Service, powerdns
from dns_records.tests.route53_server import Route53 as Route53Server
from dns_records.tests.world import (
    add,
    address,
    draft,
    fresh,
    hurry,
    let_copies_die,
    post,
    states,
)
from dnsorch import secrets

pytestmark = pytest.mark.django_db


@pytest.fixture(params=["powerdns", "route53"])
def service(
    request: pytest.FixtureRequest, route53: Route53Server
) -> Iterator[Service]:
    """Each service in turn."""
    running: AbstractContextManager[Service] = powerdns()
    if request.param == "route53":
        route53.reset()
        running = nullcontext(Route53(route53))
    with running as service:
        yield service


@pytest.fixture
def zone(service: Service, db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Zone]:
    """A zone on the service, whose secret stands in the environment."""
    assert isinstance(service, PowerDns | Route53)
    assert service.provider.secret is not None
    monkeypatch.setenv("TEST_SECRET_OF_BACKEND", service.provider.secret())
    options: dict[str, Any] = {
        "endpoint_url": getattr(service.server, "endpoint_url", "")
    }
    if isinstance(service, PowerDns):
        options = {"url": service.server.url}
    backend = backends.save(
        name="api",
        driver=service.provider.driver,
        options=options,
        secret_reference="env:TEST_SECRET_OF_BACKEND",
    )
    yield zones.register(name=NAME, backend=backend, verify_policy="none")
    secrets.forget()


def drain(zone: Zone) -> None:
    """Send what is due; nobody is asked afterwards."""
    assert delivery.drain(zone.pk) is True
    verification.check(zone.pk)


def test_many_change_sets_in_one_message(service: Service, zone: Zone) -> None:
    for number in range(20):
        add(f"host{number}", address(number))
    post(draft("add", "mail", "MX", "10 host1.example.test."))

    drain(zone)

    assert states() == ["completed"] * 21
    assert service.rrset("host19.example.test.", "A") == (300, ("10.0.0.19",))
    # Where there is a marker, it is taken first.
    assert service.updates() == 1 + service.provider.can_fence
    marker = service.rrset(marker_name(NAME), "TXT")
    assert marker == ((0, ('"v1 1 1"',)) if service.provider.can_fence else None)


def test_a_refused_change_set_fails_alone(service: Service, zone: Zone) -> None:
    service.refuse("bad.example.test.")
    names = ["a", "bad", "c"]
    requests = [add(name, "192.0.2.1") for name in names]

    drain(zone)

    assert [fresh(each).status for each in requests] == [
        "completed",
        "failed",
        "completed",
    ]
    error = fresh(requests[1]).error
    assert error is not None and error["code"] == "refused_by_server"
    held = [service.rrset(f"{name}.example.test.", "A") for name in names]
    assert held == [(300, ("192.0.2.1",)), None, (300, ("192.0.2.1",))]


def test_an_answer_that_was_lost_is_decided_later(service: Service, zone: Zone) -> None:
    add("www", "192.0.2.1")
    delivery.drain(zone.pk)
    before = service.updates()
    request = add("ftp", "192.0.2.1")
    backend = zone.backend
    backend.options = {**backend.options, "timeout_s": 0.5}
    backend.save()
    service.lose_answers()

    delivery.drain(zone.pk)
    assert fresh(request).status == "provisioning"

    service.heal()
    let_copies_die(zone)
    hurry(zone)
    delivery.drain(zone.pk)
    verification.check(zone.pk)
    assert fresh(request).status == "completed"
    # The lost message, then the marker that tells, or the same message again.
    assert service.updates() == before + 2
    assert set(Batch.objects.values_list("status", flat=True)) == {"applied"}
