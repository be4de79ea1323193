"""manage.py explain: what people are told, and the exit code."""

from __future__ import annotations

import json

import pytest
from django.core.management import CommandError
from rest_framework.test import APIClient

from dns_records.models import Zone
from dns_records.services import delivery, verification
from dns_records.tests import commands
from dns_records.tests.callers import accepted, caller, change
from dns_records.tests.pretended import ONE, TWO, Servers, served_by

pytestmark = pytest.mark.django_db

A1, A2 = "192.0.2.1", "192.0.2.2"


def explain(*arguments: str) -> tuple[int, list[str]]:
    """Run the command; return its exit code and the lines it prints."""
    code, printed = commands.run("explain", *arguments)
    return code, printed.splitlines()


@pytest.fixture
def two(servers: Servers) -> Zone:
    """A zone with two name servers that answer for www."""
    for address in (ONE, TWO):
        servers.serve(address, A1)
    return served_by(ONE, TWO)


def test_what_is_live(two: Zone) -> None:
    request = accepted(caller(), change("create", "www", A1))
    delivery.drain(two.pk)
    verification.check(two.pk)
    code, lines = explain("WWW.example.test", "a")
    assert code == 0
    assert lines[0].startswith(
        "www.example.test. A: live on all 2 name servers since 20"
    )
    assert lines[1:] == [
        f"  zone: example.test. on {two.backend.name} (memory)",
        "  may change it: team-web (a token for all zones)",
        "  wanted: 192.0.2.1 (TTL 300)",
        f"  last request: {request['id']} changeset by team-web: completed",
        f"  {ONE}: 192.0.2.1 (TTL 300), serial 1 (as wanted)",
        f"  {TWO}: 192.0.2.1 (TTL 300), serial 1 (as wanted)",
    ]


def test_what_is_not_live_yet(two: Zone, servers: Servers) -> None:
    request = accepted(caller(), change("create", "www", A2))
    servers.errors[TWO] = "timed out"
    code, lines = explain("www.example.test.", "A")
    assert (code, lines[0]) == (1, "www.example.test. A: is the next in the lane")
    assert lines[-3:] == [
        f"  pending: {request['id']} queued",
        f"  {ONE}: 192.0.2.1 (TTL 300), serial 1 (not as wanted)",
        f"  {TWO}: timed out (not as wanted)",
    ]


def test_json_is_what_the_api_says(api: APIClient) -> None:
    code, (line,) = explain("www.example.test", "A", "--json")
    query = {"name": "www.example.test", "type": "A"}
    assert (code, json.loads(line)) == (1, api.get("/api/v2/explain/", query).json())


def test_a_name_in_no_zone(db: None) -> None:
    assert explain("www.nowhere.test", "A") == (
        1,
        ["www.nowhere.test. A: www.nowhere.test. is not in any registered zone"],
    )


@pytest.mark.parametrize("wrong", [("a..b", "A"), ("www.example.test", "AXFR")])
def test_what_is_no_name_or_type(db: None, wrong: tuple[str, str]) -> None:
    with pytest.raises(CommandError) as failed:
        explain(*wrong)
    assert failed.value.returncode == 2
