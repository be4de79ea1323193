"""``manage.py audit``, ``manage.py drift`` and the admin: what they say and do."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.management import CommandError
from django.test import Client

from dns_records.models import AuditTask, Drift, Zone
from dns_records.providers.memory import Faults, Store
from dns_records.services import findings
from dns_records.tests import commands
from dns_records.tests.test_api_drift import work
from dns_records.tests.test_reconcile import A, B, deliver
from dns_records.tests.world import add, put_into_dns, served, wanted
from requests_tracker.models import Request
from requests_tracker.tests.admin import said, staff

pytestmark = pytest.mark.django_db

URL = "/admin/dns_records/drift/"
LINES = [
    f"missing   gone.example.test. A: wanted 300 {A}, served nothing",
    f"different other.example.test. A: wanted 300 {A}, served 300 {B}",
]


def run(command: str, *arguments: str) -> tuple[int, str]:
    """Run a command; return its exit code and what it prints."""
    return commands.run(command, "example.test", *arguments)


@pytest.fixture
def torn(zone: Zone) -> Zone:
    """A zone of which one RRset is missing, and one different."""
    add("gone", A)
    add("other", A)
    deliver(zone)
    put_into_dns(zone, "gone.example.test.", "A")
    put_into_dns(zone, "other.example.test.", "A", B)
    return zone


def test_an_audit_is_left_to_a_worker(torn: Zone) -> None:
    code, text = run("audit")
    (made,) = Request.objects.filter(action="audit")
    assert (code, text) == (0, f"request {made.pk}: queued\n")
    assert (made.source, made.requester) == ("command", "manage.py")
    assert AuditTask.objects.count() == 1


def test_an_audit_is_seen_through_and_told(torn: Zone) -> None:
    code, text = run("audit", "--wait")
    (made,) = Request.objects.filter(action="audit")
    assert code == 1
    assert text.splitlines() == [
        *LINES,
        "example.test. 1 RRsets compared: 1 missing, 1 different, 0 extra",
        f"request {made.pk}: completed",
    ]
    put_into_dns(torn, "gone.example.test.", "A", A)
    put_into_dns(torn, "other.example.test.", "A", A)
    code, text = run("audit", "--wait", "--json")
    report = json.loads(text)
    assert (code, report["drift"]) == (0, [])
    assert report["request"]["status"] == "completed"


def test_a_server_that_does_not_tell_is_exit_code_2(torn: Zone, store: Store) -> None:
    store.faults = Faults(unreachable=True)
    code, text = run("audit", "--wait")
    assert code == 2
    assert "failed: the server does not tell" in text


@pytest.mark.parametrize("command", ["audit", "drift"])
def test_a_zone_that_is_none_is_exit_code_2(command: str, db: None) -> None:
    with pytest.raises(CommandError) as error:
        run(command)
    assert error.value.returncode == 2


def test_drift_is_listed_and_resolved(torn: Zone) -> None:
    assert run("drift") == (0, "")
    findings.note(torn)
    assert run("drift") == (1, "".join(f"{line}\n" for line in LINES))
    code, text = run("drift", "--name", "gone", "--type", "a", "--json")
    assert [row["name"] for row in json.loads(text)["drift"]] == ["gone.example.test."]

    code, text = run("drift", "--resolve", "adopt", "--name", "gone")
    assert (code, text.splitlines()[0]) == (0, LINES[0])
    code, text = run("drift", "--resolve", "restore")
    assert code == 0
    work(torn)
    assert served(torn) == wanted(torn) == {("other.example.test.", "A"): (300, (A,))}
    assert run("drift") == (0, "")
    code, text = run("drift", "--resolve", "restore")
    assert code == 1 and "has no open drift to restore" in text


# --- the admin ------------------------------------------------------------------------


def act(client: Client, action: str, *rows: Drift) -> Any:
    """Have something done to drift in the admin."""
    chosen = [row.pk for row in rows]
    return client.post(URL, {"action": action, "_selected_action": chosen})


def test_the_admin_audits_by_button_and_by_action(torn: Zone, client: Client) -> None:
    staff(client, "change_zone", "view_zone")
    page = client.get(f"/admin/dns_records/zone/{torn.pk}/change/").content.decode()
    button = f"/admin/dns_records/zone/{torn.pk}/audit/"
    assert button in page
    answer: Any = client.post(button)
    listed: Any = client.post(
        "/admin/dns_records/zone/", {"action": "audit", "_selected_action": [torn.pk]}
    )
    first, second = Request.objects.filter(action="audit").order_by("pk")
    assert said(answer) == [("success", f"request {first.pk} about example.test.")]
    assert said(listed)[-1] == ("success", f"request {second.pk} about example.test.")
    assert (first.source, first.requester) == ("admin", "user:operator")
    assert client.get(button).status_code == 405


def test_the_admin_lists_filters_and_resolves_drift(torn: Zone, client: Client) -> None:
    staff(client, "change_zone", "view_drift")
    findings.note(torn)
    gone, other = Drift.objects.order_by("name")
    page = client.get(URL).content.decode()
    assert "gone.example.test." in page and "other.example.test." in page
    assert (
        "other.example.test."
        not in client.get(URL, {"kind": "missing"}).content.decode()
    )
    assert client.get(f"{URL}{gone.pk}/change/").status_code == 200

    taken: Any = act(client, "adopt", other)
    act(client, "restore", gone)
    again: Any = act(client, "restore", gone)
    assert said(again)[-1][0] == "error"
    work(torn)

    made = Request.objects.filter(action="resolve_drift").order_by("pk").first()
    assert made is not None
    assert said(taken) == [("success", f"request {made.pk} about example.test.")]
    assert served(torn) == wanted(torn)
    assert "gone.example.test." in client.get(URL).content.decode()  # the refusal
    assert "gone.example.test." not in client.get(URL).content.decode()
    assert (
        "gone.example.test." in client.get(URL, {"state": "resolved"}).content.decode()
    )


def test_who_may_only_look_changes_nothing(torn: Zone, client: Client) -> None:
    staff(client, "view_zone", "view_drift")
    findings.note(torn)
    assert client.post(f"/admin/dns_records/zone/{torn.pk}/audit/").status_code == 403
    act(client, "restore", *Drift.objects.all())
    assert not AuditTask.objects.exists()
