"""manage.py plan: what would change, and the exit code; --apply sends it."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import CommandError

from dns_records.models import Record, Zone
from dns_records.services import expiry
from dns_records.tests import commands, world
from dns_records.tests.callers import change, changeset, deliver
from dns_records.tests.world import draft, post
from dnsorch import clock
from requests_tracker.api import tracking
from requests_tracker.models import Request

pytestmark = pytest.mark.django_db

A1, A2, A3 = "192.0.2.1", "192.0.2.2", "192.0.2.3"
WWW_A = ("www.example.test.", "A")
PTR = ("1.2.0.192.in-addr.arpa.", "PTR")


def run(*arguments: str) -> tuple[int, list[str]]:
    """Run the command; return its exit code and the lines it prints."""
    code, printed = commands.run("plan", "example.test", *arguments)
    return code, printed.splitlines()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file for a change set."""
    return tmp_path / "changes.json"


def write(file: Path, *changes: dict[str, Any], **fields: Any) -> str:
    """Write a change set into the file; return its path."""
    file.write_text(json.dumps(changeset(*changes, **fields)))
    return str(file)


def test_records_that_come_and_go(zone: Zone, file: Path) -> None:
    post(draft("create", "www", "A", A1, A2), draft("create", "old", "A", A1))
    asked = [
        change("replace", "www", A2, A3),
        change("delete", "old"),
        change("create", "new", A1, ttl=60),
    ]
    code, lines = run(write(file, *asked))
    assert code == 2
    assert lines[:-1] == [
        f"+ new.example.test. 60 IN A {A1}",
        f"- old.example.test. 300 IN A {A1}",
        f"- www.example.test. 300 IN A {A1}",
        f"  www.example.test. 300 IN A {A2}",
        f"+ www.example.test. 300 IN A {A3}",
    ]
    assert lines[-1].startswith("digest: ") and len(lines[-1]) == 8 + 64
    assert Request.objects.count() == 1


def test_nothing_would_change(zone: Zone, file: Path) -> None:
    post(draft("create", "www", "A", A1))
    code, lines = run(write(file, change("add", "www", A1)))
    assert (code, lines[:-1]) == (
        0,
        [
            f"  www.example.test. 300 IN A {A1}",
            f"warning: www.example.test. A {A1} exists already: nothing to do",
        ],
    )


def test_what_makes_it_unsafe(zone: Zone, file: Path) -> None:
    post(*(draft("create", f"h{number}", "A", A1) for number in range(10)))
    gone = [change("delete", f"h{number}") for number in range(4)]
    _, lines = run(write(file, *gone))
    assert "unsafe: 40% of the zone's RRsets would be updated or deleted" in lines


def test_json_from_standard_input(zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    body = {"changes": [change("create", "www", A1)]}
    raw = io.BytesIO(json.dumps(body).encode())
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=raw))
    code, (line,) = run("-", "--json")
    found = json.loads(line)
    assert (code, sorted(found)) == (
        2,
        ["changes", "digest", "unsafe", "warnings", "zone"],
    )


def test_changes_that_name_their_zones_themselves(zone: Zone, file: Path) -> None:
    other = world.make_zone("other.test.")
    body = changeset(
        change("create", "www.example.test.", A1),
        change("create", "www.other.test.", A2),
    )
    del body["zone"]
    file.write_text(json.dumps(body))
    code, printed = commands.run("plan", "--changes", str(file))
    lines = printed.splitlines()
    assert (code, lines[:2]) == (
        2,
        [f"+ www.example.test. 300 IN A {A1}", f"+ www.other.test. 300 IN A {A2}"],
    )
    digest = lines[-1].removeprefix("digest: ")
    approved = ("--apply", "--digest", digest, "--timeout", "0")
    assert commands.run("plan", "--changes", str(file), *approved)[0] == 1  # not final
    assert world.wanted(zone) == {WWW_A: (300, (A1,))}
    assert world.wanted(other) == {("www.other.test.", "A"): (300, (A2,))}


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("example.test",),
        ("example.test", "a", "--changes", "b"),
        ("example.test", "--changes", "b"),
        ("example.test", "a", "--zone-file", "b"),
        ("--zone-file", "b"),
    ],
)
def test_one_way_to_say_what_is_wanted(arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError, match="expected ZONE and a file with JSON"):
        commands.run("plan", *arguments)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "(malformed_body)"),
        ("[]", "expected a JSON object"),
        ('{"zone": "other.test.", "changes": []}', "is about the zone other.test."),
        ('{"changes": [], "x": 1}', "/x: There is no such field."),
        (
            '{"changes": [{"action": "delete", "name": "www", "type": "A"}]}',
            "  /changes/0: www.example.test. A does not exist",
        ),
    ],
)
def test_what_is_wrong_is_exit_code_1(
    zone: Zone, file: Path, text: str, says: str
) -> None:
    file.write_text(text)
    with pytest.raises(CommandError) as failed:
        run(str(file))
    assert failed.value.returncode == 1
    assert says in str(failed.value)
    assert not Request.objects.exists()


def test_a_file_that_is_not_there(zone: Zone, file: Path) -> None:
    with pytest.raises(CommandError, match="No such file"):
        run(str(file))


def test_apply_needs_the_digest(zone: Zone, file: Path) -> None:
    path = write(file, change("create", "www", A1))
    with pytest.raises(CommandError, match="--apply needs --digest"):
        run(path, "--apply")


def planned(path: str) -> str:
    """Return the digest that the command prints."""
    _, lines = run(path)
    return lines[-1].removeprefix("digest: ")


def test_apply_waits_and_says_how_it_ended(
    zone: Zone, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(file, change("create", "www", A1), comment="by hand")
    digest = planned(path)

    def wait(request_id: object, seconds: float) -> tuple[bool, bool]:
        assert seconds == 7
        deliver(zone)
        return True, True

    monkeypatch.setattr(tracking, "wait", wait)
    code, lines = run(path, "--apply", "--digest", digest, "--timeout", "7")
    request = Request.objects.get()
    assert (code, lines) == (0, [f"request {request.pk}: completed"])
    assert (request.source, request.requester) == ("command", "manage.py")
    assert request.comment == "by hand"
    assert world.served(zone) == {WWW_A: (300, (A1,))}


def test_apply_says_that_it_is_not_final_yet(zone: Zone, file: Path) -> None:
    path = write(file, change("create", "www", A1))
    arguments = ("--apply", "--digest", planned(path), "--timeout", "0", "--json")
    code, (line,) = run(path, *arguments)
    request = Request.objects.get()
    assert (code, json.loads(line)) == (
        1,
        {"id": str(request.pk), "status": "queued", "error": None},
    )


def test_apply_refuses_a_plan_that_nobody_approved(zone: Zone, file: Path) -> None:
    path = write(file, change("add", "www", A1))
    digest = planned(path)
    post(draft("add", "www", "A", A2))
    code, lines = run(path, "--apply", "--digest", digest)
    row = Request.objects.get(status="rejected")
    assert (code, lines[0]) == (1, f"request {row.pk}: rejected")
    assert "(plan_changed)" in lines[1]
    assert world.wanted(zone) == {WWW_A: (300, (A2,))}


def applied(path: str, zone: Zone) -> Request:
    """Plan a file, apply it with that digest, and deliver it."""
    run(path, "--apply", "--digest", planned(path), "--timeout", "0")
    deliver(zone)
    return Request.objects.latest("received_at")


def test_apply_gives_a_record_its_end(zone: Zone, file: Path) -> None:
    ends = clock.now() + timedelta(hours=1)
    path = write(file, change("add", "www", A1, expires_at=clock.iso(ends)))
    assert applied(path, zone).status == "completed"
    assert Record.objects.get().expires_at == ends
    Record.objects.update(expires_at=clock.now() - timedelta(seconds=1))
    expiry.remove_due()
    deliver(zone)
    assert world.served(zone) == {}


def test_apply_takes_the_ptr_along(zone: Zone, file: Path) -> None:
    reverse = world.make_zone("2.0.192.in-addr.arpa.")
    path = write(file, change("add", "www", A1, ptr=True))
    _, lines = run(path)
    assert f"+ {PTR[0]} 300 IN PTR www.example.test." in lines
    applied(path, zone)
    deliver(reverse)
    parts = Request.objects.filter(part_of__isnull=False)
    assert [part.status for part in parts] == ["completed"] * 2
    assert world.served(reverse) == {PTR: (300, ("www.example.test.",))}


def test_what_is_planned_later_cannot_be_approved_now(zone: Zone, file: Path) -> None:
    due = clock.iso(clock.now() + timedelta(hours=1))
    path = write(file, change("add", "www", A1), not_before=due)
    code, lines = run(path)
    assert code == 2
    assert "it is planned again at" in lines[1]
    with pytest.raises(CommandError, match="cannot be approved now"):
        run(path, "--apply", "--digest", lines[-1].removeprefix("digest: "))
    assert not Request.objects.exists()
