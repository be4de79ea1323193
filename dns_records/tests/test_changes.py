"""Change sets at the door: stored as the wanted state, or rejected without a trace."""

from __future__ import annotations

from typing import Any

import pytest

from dns_records import coalesce
from dns_records.drafts import ExpectedDraft, read
from dns_records.models import Change, OwnerName, Record, RRset, Zone
from dns_records.services import arguments, changes
from dns_records.services.changes import ChangeSet
from dns_records.services.preconditions import Precondition
from dns_records.tests.world import (
    ANYONE,
    add,
    applied,
    draft,
    post,
    store_of,
    submit,
    wanted,
)
from dnsorch.exceptions import CNAMEConflict, DnsorchError
from dnsorch.tokens.access import Access
from requests_tracker.models import Request
from requests_tracker.tests.factories import DOOR, origin, steps

pytestmark = pytest.mark.django_db

WWW = ("www.example.test.", "A")


def rows() -> tuple[int, int, int, int]:
    """Return how many names, RRsets, records and changes there are."""
    return (
        OwnerName.objects.count(),
        RRset.objects.count(),
        Record.objects.count(),
        Change.objects.count(),
    )


def test_an_accepted_change_set_is_the_wanted_state(zone: Zone) -> None:
    request = post(
        draft("create", "www", "A", "192.0.2.1", "192.0.2.2", ttl=60),
        draft("add", "mail", "TXT", '"hello"'),
    )
    assert request.status == "queued"
    assert (request.zone, request.name, request.type) == (zone.name, "", "")
    assert steps(request) == ["received", "validated", "stored", "enqueued"]
    assert wanted(zone) == {
        WWW: (60, ("192.0.2.1", "192.0.2.2")),
        ("mail.example.test.", "TXT"): (300, ('"hello"',)),
    }
    assert applied(zone) == {}
    assert store_of(zone).log == []
    first, second = Change.objects.order_by("id")
    assert (first.name, first.type, first.action, first.status) == (
        "www.example.test.",
        "A",
        "create",
        "pending",
    )
    assert (first.before, first.version) == (None, 1)
    assert first.after == {"ttl": 60, "records": ["192.0.2.1", "192.0.2.2"]}
    assert (second.action, second.batch, second.next_check_at) == ("add", None, None)


def test_warnings_stand_in_the_timeline(zone: Zone) -> None:
    add("www", "192.0.2.1")
    request = post(draft("add", "www", "A", "192.0.2.1", pointer="/changes/0"))
    event = request.events.get(step="validated")
    assert event.data == {
        "warnings": [
            {
                "code": "record_exists",
                "detail": "www.example.test. A 192.0.2.1 exists already: "
                "nothing to do",
                "pointer": "/changes/0",
            }
        ]
    }


def test_a_change_set_that_changes_nothing_is_still_sent(zone: Zone) -> None:
    add("www", "192.0.2.1")
    request = add("www", "192.0.2.1")
    (change,) = Change.objects.filter(request=request)
    assert change.before == change.after
    assert RRset.objects.get().version == 1


@pytest.mark.parametrize(
    ("drafts", "code"),
    [
        ([draft("create", "www", "A", "192.0.2.2")], "rrset_exists"),
        ([draft("replace", "new", "A", "192.0.2.2")], "rrset_not_found"),
        ([draft("delete", "new", "A")], "rrset_not_found"),
        ([draft("add", "www", "CNAME", "a.test.")], "cname_conflict"),
        ([draft("put", "www", "A", "x")], "invalid_rdata"),
        ([draft("put", "_dnsorch", "TXT", "x")], "reserved_name"),
        ([draft("put", "www", "SOA", "x")], "unsupported_type"),
        (
            [
                draft(
                    "put",
                    "www",
                    "A",
                    "192.0.2.2",
                    expected=ExpectedDraft(("192.0.2.9",)),
                )
            ],
            "precondition_failed",
        ),
        (
            [draft("put", "a", "A", "192.0.2.1"), draft("delete", "new", "A")],
            "rrset_not_found",
        ),
    ],
)
def test_a_rejected_change_set_leaves_no_trace_but_its_request(
    zone: Zone, drafts: list[Any], code: str
) -> None:
    add("www", "192.0.2.1")
    before = (rows(), wanted(zone))
    request = post(*drafts)
    assert (request.status, request.error_code) == ("rejected", code)
    assert request.zone == zone.name
    assert steps(request) == ["received", "rejected"]
    assert (rows(), wanted(zone)) == before


def test_zones_that_are_not_ones_own_are_not_there(zone: Zone) -> None:
    one = ChangeSet(zone.name, [draft("add", "www", "A", "192.0.2.1")])
    stranger = Access("team-web", zones=frozenset())
    reader = Access("team-web", read_only=True)
    assert submit(one, access=stranger).status == 404
    assert submit(one, access=reader).status == 403
    assert submit(ChangeSet("nowhere.test.", one.drafts)).status == 404
    assert wanted(zone) == {}


@pytest.mark.parametrize(
    ("precondition", "exists", "accepted"),
    [
        (Precondition(frozenset({"1"})), True, True),
        (Precondition(frozenset({"7", "1"})), True, True),
        (Precondition(frozenset({"2"})), True, False),
        (Precondition(frozenset({"1"})), False, False),
        (Precondition(), True, True),
        (Precondition(), False, False),
        (Precondition(absent=True), False, True),
        (Precondition(absent=True), True, False),
    ],
)
def test_preconditions(
    zone: Zone, precondition: Precondition, exists: bool, accepted: bool
) -> None:
    if exists:
        add("www", "192.0.2.1")
    answer = submit(
        ChangeSet(
            zone.name,
            [draft("put", "www", "A", "192.0.2.2")],
            precondition=precondition,
        )
    )
    assert answer.status == (202 if accepted else 412)


def test_the_version_of_an_absent_rrset_lives_on(zone: Zone) -> None:
    """Else a tag from before a deletion would fit again after it."""
    add("www", "192.0.2.1")
    post(draft("delete", "www", "A"))
    add("www", "192.0.2.1")
    assert RRset.objects.get().version == 3
    assert list(Change.objects.order_by("id").values_list("version", flat=True)) == [
        1,
        2,
        3,
    ]


def test_a_change_set_that_fits_into_no_message_is_refused(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    octets = 2 * (len("www.example.test.") + 1 + 10) + 4
    monkeypatch.setattr(coalesce, "MAX_OCTETS", octets)
    assert add("www", "192.0.2.1").status == "queued"
    request = post(draft("put", "ftp", "A", "192.0.2.1", "192.0.2.2"))
    assert (request.status, request.error_code) == ("rejected", "changeset_too_large")
    assert len(wanted(zone)) == 1


def test_a_comment_of_an_rrset_is_a_new_version(zone: Zone) -> None:
    drafts = [draft("put", "www", "A", "192.0.2.1")]

    def put(comment: str | None, keeps: bool) -> tuple[str | None, int]:
        submit(ChangeSet(zone.name, drafts, rrset_comment=comment, keeps_comment=keeps))
        row = RRset.objects.get()
        return row.comment, row.version

    assert put("web", False) == ("web", 1)
    assert put(None, True) == ("web", 1)
    assert put("mail", False) == ("mail", 2)
    assert put(None, False) == (None, 3)
    assert put("web", False) == ("web", 4)
    post(draft("delete", "www", "A"))
    assert RRset.objects.get().comment is None


def test_a_dry_run_stores_nothing_and_finds_what_the_real_write_finds(
    zone: Zone,
) -> None:
    add("www", "192.0.2.1")
    before = (rows(), Request.objects.count())
    fine = ChangeSet(zone.name, [draft("put", "ftp", "A", "192.0.2.1")])
    answer = changes.dry_run(lambda: fine, access=ANYONE, origin=origin())
    assert answer["changes"] == [
        {
            "name": "ftp.example.test.",
            "type": "A",
            "action": "replace",
            "before": None,
            "after": {"ttl": 300, "records": ["192.0.2.1"]},
        }
    ]
    assert answer["unsafe"] == []
    conflict = ChangeSet(zone.name, [draft("put", "www", "CNAME", "a.test.")])
    with pytest.raises(CNAMEConflict):
        changes.dry_run(lambda: conflict, access=ANYONE, origin=origin())
    assert (rows(), Request.objects.count()) == before


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"ttl": 60},
        {"expected": ExpectedDraft(None)},
        {"expected": ExpectedDraft(("192.0.2.9",), 5)},
    ],
)
def test_a_stored_operation_can_be_planned_anew(
    zone: Zone, fields: dict[str, Any]
) -> None:
    if (expected := fields.get("expected")) and expected.records:
        post(draft("put", "www", "A", *expected.records, ttl=5))
    written = draft("put", "www", "A", "192.0.2.1", **fields)
    request = post(written)
    assert request.status == "queued"
    (operation,) = read([written], zone.name)
    stored = Change.objects.get(request=request)
    assert arguments.load_operation(stored) == operation


def test_a_body_of_the_wrong_shape_is_a_rejection_like_any_other(zone: Zone) -> None:
    class Malformed(DnsorchError):
        """It is malformed."""

        status = 400

    def misread() -> ChangeSet:
        raise Malformed()

    answer = changes.submit(
        misread, access=ANYONE, origin=origin(), operation="x", doorway=DOOR
    )
    assert answer.status == 400
    assert Request.objects.get().status == "rejected"
