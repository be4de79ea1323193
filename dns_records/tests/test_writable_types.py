"""What a zone's backend cannot write is refused at the door."""

from __future__ import annotations

import pytest
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from dns_records.models import Zone
from dns_records.providers.errors import Misconfigured
from dns_records.providers.route53 import Route53Provider
from dns_records.services import backends
from dns_records.tests import world
from dns_records.tests.callers import (
    RECORDS,
    assert_rejected,
    change,
    deliver,
    pointers,
    post,
    record,
)

LOC = "52 22 23.000 N 4 53 32.000 E -2.00m"
OPAQUE = r"\# 4 c0000201"


@pytest.fixture
def on_route53(zone: Zone) -> Zone:
    """The zone on a backend that writes few types."""
    zone.backend = backends.save(name="aws", driver="route53", options={})
    zone.save()
    return zone


def test_a_change_set_hears_of_each_type(api: APIClient, on_route53: Zone) -> None:
    answer = post(
        api,
        change("add", "a", LOC, type="LOC"),
        change("add", "a", "192.0.2.1"),
        change("delete", "b", type="LP"),
    )

    assert_rejected(answer, 400, "unsupported_by_backend")
    assert pointers(answer) == [
        ("/changes/0/type", "unsupported_by_backend"),
        ("/changes/2/type", "unsupported_by_backend"),
    ]
    written = ", ".join(sorted(Route53Provider.supported_types))
    assert answer.json()["errors"][0]["detail"] == (
        f"The backend aws (route53) cannot write records of type LOC; it writes"
        f" {written}."
    )


def test_so_does_a_record(api: APIClient, on_route53: Zone) -> None:
    answer = api.post(RECORDS, record(type="LOC", value=LOC), format="json")

    assert_rejected(answer, 400, "unsupported_by_backend")
    assert pointers(answer) == [("/type", "unsupported_by_backend")]


def test_what_the_backend_writes_is_taken(api: APIClient, on_route53: Zone) -> None:
    answer = post(api, change("add", "a", "1 . alpn=h2", type="HTTPS"))
    assert answer.status_code == 202
    (row,) = answer.json()["changes"]
    assert row["after"]["records"] == ['1 . alpn="h2"']


def test_a_backend_of_no_known_driver_is_for_the_lane_to_complain_about(
    api: APIClient, zone: Zone
) -> None:
    zone.backend.driver = "gone"
    zone.backend.save()
    assert post(api, change("add", "a", LOC, type="LOC")).status_code == 202


def test_types_without_a_name_are_refused_by_default(api: APIClient) -> None:
    answer = post(api, change("add", "a", OPAQUE, type="TYPE65280"))

    assert_rejected(answer, 400, "unsupported_type")
    assert pointers(answer) == [("/changes/0/type", "unsupported_type")]
    assert "DNSORCH_UNKNOWN_TYPES" in answer.json()["detail"]


def test_types_without_a_name_are_taken_where_they_are_switched_on(
    api: APIClient, zone: Zone, settings: Settings
) -> None:
    settings.DNSORCH_UNKNOWN_TYPES = True
    assert post(api, change("add", "a", OPAQUE, type="type65280")).status_code == 202
    deliver(zone)
    assert world.served(zone) == {
        ("a.example.test.", "TYPE65280"): (zone.default_ttl, (OPAQUE,))
    }

    settings.DNSORCH_UNKNOWN_TYPES = False
    assert post(api, change("delete", "a", type="TYPE65280")).status_code == 202
    deliver(zone)
    assert world.served(zone) == {}


def test_a_backend_may_not_know_types_without_a_name(
    api: APIClient, on_route53: Zone, settings: Settings
) -> None:
    settings.DNSORCH_UNKNOWN_TYPES = True
    answer = post(api, change("add", "a", OPAQUE, type="TYPE65280"))
    assert_rejected(answer, 400, "unsupported_by_backend")


def test_a_backend_may_take_less_than_its_driver(api: APIClient, zone: Zone) -> None:
    """PowerDNS says yes to CDS in an UPDATE and leaves it out."""
    options = {"server": "ns", "unwritable_types": ["CDNSKEY", "CDS"]}
    zone.backend = backends.save(name="pdns", driver="rfc2136", options=options)
    zone.save()
    digest = f"12345 13 2 {'aa' * 32}"
    answer = post(api, change("add", "@", digest, type="CDS"))
    assert_rejected(answer, 400, "unsupported_by_backend")
    assert "CDS," not in answer.json()["detail"]
    # What is there, by whatever hand, may be taken away.
    assert post(api, change("delete", "@", type="CDS")).json()["code"] == (
        "rrset_not_found"
    )


def test_types_that_there_are_not_are_told(db: None) -> None:
    options = {"server": "ns", "unwritable_types": ["CSD"]}
    with pytest.raises(Misconfigured, match="unwritable_types.*'CSD'"):
        backends.save(name="pdns", driver="rfc2136", options=options)
