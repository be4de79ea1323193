"""``manage.py reconcile`` and the admin's action: what they say and do."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.management import CommandError
from django.test import Client

from dns_records.models import Lane, Zone
from dns_records.providers.memory import Faults, Store
from dns_records.tests import commands
from dns_records.tests.test_reconcile import A, B, deliver
from dns_records.tests.world import add, fresh, put_into_dns
from requests_tracker.models import Request
from requests_tracker.tests.admin import said, staff

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> tuple[int, str]:
    """Run the command; return its exit code and what it prints."""
    return commands.run("reconcile", *arguments)


@pytest.fixture
def torn(zone: Zone) -> Zone:
    """A zone of which one RRset is missing, one different, one extra."""
    add("gone", A)
    add("other", A)
    deliver(zone)
    put_into_dns(zone, "gone.example.test.", "A")
    put_into_dns(zone, "other.example.test.", "A", B)
    put_into_dns(zone, "foreign.example.test.", "A", B)
    return zone


def test_differences_are_listed_and_nothing_is_done(torn: Zone) -> None:
    code, text = run("example.test")
    assert code == 1
    assert text.splitlines() == [
        f"extra     foreign.example.test. A: wanted nothing, served 300 {B}",
        f"missing   gone.example.test. A: wanted 300 {A}, served nothing",
        f"different other.example.test. A: wanted 300 {A}, served 300 {B}",
        "example.test. 2 RRsets compared: 1 missing, 1 different, 1 extra; "
        "0 left out, a change of them is on its way",
    ]
    assert Request.objects.filter(action="reconcile").count() == 0


def test_restore_puts_right_by_a_tracked_request(torn: Zone) -> None:
    code, text = run("Example.Test.", "--restore", "--reason", "after the fire")
    (made,) = Request.objects.filter(action="reconcile")
    assert (code, text.splitlines()[-1]) == (0, f"request {made.pk}: queued")
    assert (made.source, made.status) == ("command", "queued")
    assert str(made.comment).endswith(": after the fire")
    deliver(torn)
    assert fresh(made).status == "completed"
    code, text = run("example.test", "--json")
    report = json.loads(text)
    assert (code, report["missing"], report["different"], report["extra"]) == (
        0,  # what is extra is no failure
        0,
        0,
        1,
    )
    assert report["requests"] == []


@pytest.mark.parametrize("name", ["nobody.test", "not..a.name"])
def test_a_zone_that_is_none_is_exit_code_2(zone: Zone, name: str) -> None:
    with pytest.raises(CommandError) as error:
        run(name)
    assert error.value.returncode == 2


def test_a_server_that_does_not_tell_is_exit_code_2(zone: Zone, store: Store) -> None:
    store.faults = Faults(unreachable=True)
    with pytest.raises(CommandError) as error:
        run("example.test")
    assert error.value.returncode == 2


def test_the_admin_leaves_an_order_to_the_sweep(torn: Zone, client: Client) -> None:
    """The API's processes ask no name server."""
    staff(client, "change_zone", "view_zone")
    answer: Any = client.post(
        "/admin/dns_records/zone/",
        {"action": "reconcile", "_selected_action": [torn.pk]},
    )
    assert said(answer) == [
        (
            "success",
            "example.test.: will be compared, and what is not as it was left "
            "put back",
        )
    ]
    lane = Lane.objects.get(zone=torn)
    assert lane.reconcile_at is not None
    assert lane.reconcile_order == {
        "reason": "asked for in the admin",
        "requester": "user:operator",
        "source": "admin",
    }


def test_who_may_only_look_gives_no_order(torn: Zone, client: Client) -> None:
    staff(client, "view_zone")
    client.post(
        "/admin/dns_records/zone/",
        {"action": "reconcile", "_selected_action": [torn.pk]},
    )
    assert Lane.objects.get(zone=torn).reconcile_at is None
