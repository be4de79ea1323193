"""Who may do what: every door of a zone, tried with each kind of token.

A token for another zone finds nothing (404), one that may only read cannot write (403),
without one there is no answer (401). What is answered names no zone and nobody else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from rest_framework.test import APIClient

from dns_records.api.v2 import urls
from dns_records.models import Drift, RRset, Zone
from dns_records.services import audits
from dns_records.tests import lives, world
from dns_records.tests.callers import CHANGESETS, accepted, caller, change, deliver
from requests_tracker.models import Request
from requests_tracker.services import lifecycle

pytestmark = pytest.mark.django_db

HERE, THERE = "example.test.", "secret.test."
A1, A2 = "192.0.2.1", "192.0.2.2"
ZONE = "/api/v2/zones/example.test/"
RRSET = f"{ZONE}rrsets/www/A/"
#: What only those may learn who see all zones.
OWNERS = ("team-secret", "team-boss")

Call = Callable[[APIClient, "World"], Any]


@dataclass
class World:
    """Two zones, and of each kind a request."""

    done: str
    queued: str
    scheduled: str
    parent: str
    open_parent: str
    audited: str

    def __getitem__(self, name: str) -> str:
        """Return where a request is."""
        return f"/api/v2/requests/{getattr(self, name)}/"


@pytest.fixture
def made(zone: Zone) -> World:
    """What there is to be seen and changed, asked for by somebody who may do all."""
    boss = caller("team-boss")
    secret = world.make_zone(THERE)
    caller("team-secret", zones=[THERE])
    done = accepted(boss, change("add", "www", A1))
    parent = boss.post(
        CHANGESETS,
        {
            "changes": [
                change("add", f"both.{HERE}", A1),
                change("add", f"both.{THERE}", A2),
            ]
        },
    ).json()
    for each in (zone, secret):
        deliver(each)
    lifecycle.settle(UUID(parent["id"]))
    world.put_into_dns(zone, f"www.{HERE}", "A", A2)
    audited = boss.post(f"{ZONE}audit/").json()
    audits.run_due(zone.pk)
    queued = accepted(boss, change("add", "later", A1))
    open_parent = boss.post(
        CHANGESETS,
        {
            "changes": [
                change("add", f"open.{HERE}", A1),
                change("add", f"open.{THERE}", A2),
            ]
        },
    ).json()
    scheduled = accepted(
        boss, change("add", "when", A1), not_before=lives.ahead(days=1)
    )
    return World(
        done["id"],
        queued["id"],
        scheduled["id"],
        parent["id"],
        open_parent["id"],
        audited["id"],
    )


def get(path: str) -> Call:
    """Return a read."""
    return lambda api, made: api.get(path)


def post(path: str, body: Any = None) -> Call:
    """Return a write."""
    return lambda api, made: api.post(path, body)


def of(name: str, action: str = "") -> Call:
    """Return what is asked about one of the requests: read, or acted upon."""
    if action in ("", "events/"):
        return lambda api, made: api.get(f"{made[name]}{action}")
    return lambda api, made: api.post(f"{made[name]}{action}")


def changes(*given: dict[str, Any], **fields: Any) -> Call:
    """Return a change set."""
    where = f"{CHANGESETS}?dry_run=true" if fields.pop("plan", False) else CHANGESETS
    return post(where, {"changes": list(given), **fields})


#: What only looks.
READS: dict[str, Call] = {
    "zone": get(ZONE),
    "rrsets": get(f"{ZONE}rrsets/"),
    "rrset": get(RRSET),
    "history": get(f"{RRSET}history/"),
    "export": get(f"{ZONE}export/"),
    "drift": get(f"{ZONE}drift/"),
    "request": of("done"),
    "timeline": of("done", "events/"),
    "scheduled request": of("scheduled"),
    "audit's request": of("audited"),
}
ADD = change("add", f"new.{HERE}", A1)
BOTH = (ADD, change("add", f"new.{THERE}", A1))
LATER = {"not_before": lives.ahead(days=1)}
#: What changes something, or would, or keeps others busy.
WRITES: dict[str, Call] = {
    "check": post(f"{ZONE}check/"),
    "put": lambda api, made: api.put(RRSET, {"ttl": 60, "records": [A1]}),
    "delete": lambda api, made: api.delete(RRSET),
    "plan": lambda api, made: api.delete(f"{RRSET}?dry_run=true"),
    "change set": changes(ADD, zone=HERE),
    "change set's plan": changes(ADD, zone=HERE, plan=True),
    "change set without a zone": changes(ADD),
    "change set of two zones": changes(*BOTH),
    "plan of two zones": changes(*BOTH, plan=True),
    "scheduled": changes(ADD, zone=HERE, **LATER),
    "expiring": changes({**ADD, "expires_at": "2099-01-01T00:00:00Z"}, zone=HERE),
    "with PTR": changes({**ADD, "ptr": True}, zone=HERE),
    "import": post(f"{ZONE}import/", {}),
    "import's plan": post(f"{ZONE}import/?dry_run=true", {}),
    "audit": post(f"{ZONE}audit/"),
    "restore": post(f"{ZONE}drift/resolve/", {"by": "restore"}),
    "adopt": post(f"{ZONE}drift/resolve/", {"by": "adopt"}),
    "change the zone": lambda api, made: api.patch(ZONE, {"default_ttl": 60}),
    "forget the zone": lambda api, made: api.delete(ZONE),
    "revert": of("done", "revert/"),
    "revert's plan": of("done", "revert/?dry_run=true"),
    "cancel": of("queued", "cancel/"),
    "hurry": of("queued", "retry/"),
    "cancel what is scheduled": of("scheduled", "cancel/"),
    "send what is scheduled": of("scheduled", "retry/"),
}
#: Of a request with parts: of no zone, so only its owner and those who see all see it.
PARENTS: dict[str, Call] = {
    "cancel": of("open_parent", "cancel/"),
    "hurry": of("open_parent", "retry/"),
    "cancel too late": of("parent", "cancel/"),
    "retry": of("parent", "retry/"),
    "revert": of("parent", "revert/"),
}


def state() -> list[Any]:
    """Return all that somebody could have changed."""
    return [
        sorted(Request.objects.exclude(status="rejected").values_list("pk", "status")),
        sorted(RRset.objects.values_list("name", "version", "ttl")),
        sorted(Drift.objects.values_list("name", "resolving")),
        sorted(Zone.objects.values_list("name", "default_ttl")),
    ]


def text(answer: Any) -> str:
    """Return all that an answer says."""
    parts = answer.streaming_content if answer.streaming else [answer.content]
    return b"".join(parts).decode() + str(answer.headers)


EVERY = {
    **{f"read {name}": call for name, call in READS.items()},
    **{f"write {name}": call for name, call in WRITES.items()},
    **{f"parts {name}": call for name, call in PARENTS.items()},
    "read parts": of("parent"),
    "explain": get(f"/api/v2/explain/?name=www.{HERE}&type=A"),
}


def test_without_a_token_nothing_is_answered(made: World) -> None:
    before = state()
    for name, call in EVERY.items():
        answer = call(APIClient(), made)
        assert (name, answer.status_code) == (name, 401)
        assert HERE not in text(answer), name
    assert state() == before


def test_a_token_for_another_zone_finds_nothing(made: World) -> None:
    before = state()
    other = caller("team-other", zones=["other.test."])
    for name, call in EVERY.items():
        answer = call(other, made)
        expected = 200 if name == "explain" else 404
        assert (name, answer.status_code) == (name, expected), text(answer)
        assert not any(owner in text(answer) for owner in OWNERS), name
    assert state() == before


def test_a_token_that_only_reads_one_zone(made: World) -> None:
    before = state()
    reader = caller("team-web", zones=[HERE], read_only=True)
    for name, call in READS.items():
        answer = call(reader, made)
        assert (name, answer.status_code) == (name, 200), text(answer)
        assert THERE not in text(answer), name
    for name, call in {**WRITES, **PARENTS}.items():
        answer = call(reader, made)
        found = (name, answer.status_code, answer.json()["code"])
        assert found == (name, 403, "read_only_token")
        assert not any(each in text(answer) for each in (THERE, *OWNERS)), name
    assert state() == before


def test_a_token_that_reads_all_zones(made: World) -> None:
    before = state()
    reader = caller("team-web", read_only=True)
    for name, call in {**WRITES, **PARENTS}.items():
        assert (name, call(reader, made).status_code) == (name, 403)
    assert state() == before


@pytest.mark.parametrize("plan", [False, True])
def test_of_two_zones_one_must_not_be_theirs(made: World, plan: bool) -> None:
    before = state()
    answer = changes(*BOTH, plan=plan)(caller("team-web", zones=[HERE]), made)
    assert answer.status_code == 404
    (error,) = answer.json()["errors"]
    # As of a zone that is not registered at all.
    assert error == {
        "pointer": "/changes/1/name",
        "code": "zone_not_found",
        "detail": f"no registered zone holds new.{THERE}",
    }
    assert state() == before


def test_a_part_tells_nothing_of_the_other_zones(made: World) -> None:
    boss = caller("team-boss")
    pair = [
        change("add", f"ptr.{HERE}", A1, ptr=True),
        change("add", f"ptr.{THERE}", A2, ptr=True),
    ]
    parts = boss.post(CHANGESETS, {"changes": pair}).json()["parts"]
    reader = caller("team-web", zones=[HERE], read_only=True)
    mine, theirs = (
        {part["zone"]: part["id"] for part in parts}[z] for z in (HERE, THERE)
    )
    answer = reader.get(f"/api/v2/requests/{mine}/")
    assert answer.status_code == 200
    assert THERE not in text(answer)
    assert A2 not in text(answer)
    assert A1 in text(answer)
    assert reader.get(f"/api/v2/requests/{theirs}/").status_code == 404
    assert (
        reader.get(f"/api/v2/requests/{answer.json()['part_of']}/").status_code == 404
    )
    listed = reader.get("/api/v2/requests/")
    assert THERE not in text(listed)


def test_nobody_is_told_of_a_reverse_zone_that_is_not_theirs(made: World) -> None:
    reverse = world.make_zone("2.0.192.in-addr.arpa.")
    answer = changes({**ADD, "ptr": True}, zone=HERE)(
        caller("team-web", zones=[HERE]), made
    )
    assert answer.status_code == 202
    before = [each.pop("detail") for each in _warnings(answer)]
    reverse.delete()
    again = changes({**ADD, "name": f"two.{HERE}", "ptr": True}, zone=HERE)(
        caller("team-web", zones=[HERE]), made
    )
    # It is as if there were none.
    assert [each.pop("detail") for each in _warnings(again)] == before


def _warnings(answer: Any) -> list[dict[str, str]]:
    (validated,) = (e for e in answer.json()["events"] if e["step"] == "validated")
    found: list[dict[str, str]] = validated["data"]["warnings"]
    return found


def test_an_explanation_of_a_foreign_name_is_that_of_no_zone(made: World) -> None:
    other = caller("team-other", zones=["other.test."])

    def explained(name: str) -> dict[str, Any]:
        answer = other.get("/api/v2/explain/", {"name": name, "type": "A"})
        assert answer.status_code == 200
        return {key: value for key, value in answer.json().items() if key != "name"}

    found = explained(f"www.{HERE}")
    nowhere = explained("www.nowhere.test.")
    assert found.pop("explanation").replace(f"www.{HERE}", "") == nowhere.pop(
        "explanation"
    ).replace("www.nowhere.test.", "")
    assert found == nowhere
    assert (found["zone"], found["access"], found["last_request"]) == (None, None, None)


def test_owners_are_told_to_those_who_see_all_zones(made: World) -> None:
    query = {"name": f"www.{HERE}", "type": "A"}
    limited = caller("team-web", zones=[HERE])
    assert limited.get("/api/v2/explain/", query).json()["access"]["owners"] is None
    assert "team-secret" not in text(limited.get("/api/v2/explain/", query))


# --- the admin ------------------------------------------------------------------------


def _pages(zone: Zone, made: World) -> dict[str, tuple[str, str]]:
    """Return the pages that act or show more, each with the permission it wants."""
    at = f"/admin/dns_records/zone/{zone.pk}"
    rrset = RRset.objects.get(name=f"www.{HERE}")
    request = "/admin/requests_tracker/request"
    look, change_zone = "dns_records.view_rrset", "dns_records.change_zone"
    operate = "requests_tracker.change_request"
    return {
        f"GET {at}/export/": ("dns_records.view_zone", "200"),
        f"GET {at}/import/": (change_zone, "200"),
        f"POST {at}/import/": (change_zone, "302"),
        f"POST {at}/audit/": (change_zone, "302"),
        f"POST {at}/check/": ("operator_tasks.check_nameservers", "302"),
        f"GET {at}/forget/": ("dns_records.delete_zone", "200"),
        f"GET /admin/dns_records/rrset/{rrset.pk}/explain/": (look, "200"),
        f"GET /admin/dns_records/rrset/{rrset.pk}/history/": (look, "200"),
        "GET /admin/dns_records/rrset/write/": ("dns_records.change_rrset", "200"),
        "GET /admin/dns_records/rrset/changeset/": ("dns_records.change_rrset", "200"),
        f"GET {request}/{made.done}/revert/": (operate, "200"),
        f"POST {request}/{made.queued}/cancel/": (operate, "302"),
        f"POST {request}/{made.queued}/retry/": (operate, "302"),
    }


def test_each_page_of_the_admin_wants_its_permission(zone: Zone, made: World) -> None:
    pages = _pages(zone, made)
    every = {permission for permission, _ in pages.values()}
    # Who may change something may look at it.
    more = {each: {each, each.replace(".view_", ".change_")} for each in every}
    for page, (wanted, expected) in pages.items():
        method, path = page.split()
        found = {}
        for kind, permissions in {
            "without": every - more[wanted],
            "with": {wanted},
        }.items():
            answer = _staff(permissions).generic(method, path)
            found[kind] = str(answer.status_code)
        assert found == {"without": "403", "with": expected}, page
        anonymous = Client().generic(method, path)
        assert (anonymous.status_code, "/login/" in anonymous["Location"]) == (
            302,
            True,
        )


def _staff(permissions: set[str]) -> Client:
    """Return a browser of somebody of the staff who has just these permissions."""
    name = f"staff-{User.objects.count()}"
    user = User.objects.create_user(name, password="-", is_staff=True)
    for permission in permissions:
        app, codename = permission.split(".")
        user.user_permissions.add(
            Permission.objects.get(content_type__app_label=app, codename=codename)
        )
    client = Client(raise_request_exception=False)
    client.force_login(user)
    return client


def test_every_door_is_in_a_table() -> None:
    tried = 14
    assert len(urls.urlpatterns) == tried, "put the new door into READS or WRITES"
