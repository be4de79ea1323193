"""manage.py revert: the plan of the way back, and the request that goes it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.management import CommandError

from dns_records.models import Zone
from dns_records.services import changes
from dns_records.tests import commands, world
from dns_records.tests.callers import deliver
from dns_records.tests.world import draft, post
from requests_tracker.api import tracking
from requests_tracker.models import Request

pytestmark = pytest.mark.django_db

A1, A2 = "192.0.2.1", "192.0.2.2"
NOBODYS = "019ab000-0000-7000-8000-000000000000"
WWW_A = ("www.example.test.", "A")
BACK = [
    f"- www.example.test. 300 IN A {A2}",
    f"+ www.example.test. 300 IN A {A1}",
]


def run(*arguments: str) -> tuple[int, list[str]]:
    """Run the command; return its exit code and the lines it prints."""
    code, printed = commands.run("revert", *arguments)
    return code, printed.splitlines()


@pytest.fixture
def done(zone: Zone) -> str:
    """Replace an address by another; return the id of that request."""
    post(draft("create", "www", "A", A1))
    request = post(draft("replace", "www", "A", A2))
    deliver(zone)
    return str(request.pk)


def test_a_dry_run_shows_the_plan(done: str) -> None:
    code, lines = run(done, "--dry-run")
    assert (code, lines[:-1]) == (2, BACK)
    assert lines[-1].startswith("digest: ") and len(lines[-1]) == 8 + 64
    code, (line,) = run(done, "--dry-run", "--json")
    assert (code, json.loads(line)["plan"]["digest"]) == (2, lines[-1][8:])
    assert Request.objects.count() == 2


def test_it_is_left_to_the_workers(zone: Zone, done: str) -> None:
    code, lines = run(done)
    request = Request.objects.get(revert_of__isnull=False)
    assert (code, lines[:2]) == (0, BACK)
    assert lines[-1] == f"request {request.pk}: queued"
    assert (request.source, request.requester) == ("command", "manage.py")
    assert request.action == "revert"
    assert world.served(zone) == {WWW_A: (300, (A2,))}


def test_wait_says_how_it_ended(
    zone: Zone, done: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait(request_id: object, seconds: float) -> tuple[bool, bool]:
        assert seconds == 7
        deliver(zone)
        return True, True

    monkeypatch.setattr(tracking, "wait", wait)
    code, (line,) = run(done, "--wait", "--timeout", "7", "--json")
    assert (code, json.loads(line)["request"]["status"]) == (0, "completed")
    assert world.served(zone) == {WWW_A: (300, (A1,))}


def test_what_is_not_final_in_time_is_exit_code_1(done: str) -> None:
    code, lines = run(done, "--wait", "--timeout", "0")
    assert (code, lines[-1].split()[-1]) == (1, "queued")


@pytest.mark.parametrize("option", ["--dry-run", "--wait"])
def test_what_was_changed_since_stays(zone: Zone, done: str, option: str) -> None:
    last = post(draft("replace", "www", "A", "192.0.2.3"))
    with pytest.raises(CommandError) as failed:
        run(done, option)
    assert failed.value.returncode == 1
    assert str(failed.value).startswith(
        f"www.example.test. A was changed since by request {last.pk} (changed_since)"
    )
    assert Request.objects.count() == 3


def test_what_changes_between_plan_and_request_is_refused(
    done: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is sent is the plan that was shown, or nothing."""
    planned = changes.dry_run

    def then_somebody_writes(*args: Any, **kwargs: Any) -> Any:
        plan = planned(*args, **kwargs)
        post(draft("replace", "www", "A", "192.0.2.3"))
        return plan

    monkeypatch.setattr(changes, "dry_run", then_somebody_writes)
    code, lines = run(done)
    row = Request.objects.get(status="rejected")
    assert (code, f"request {row.pk}: rejected" in lines) == (1, True)
    assert lines[-1].endswith("(changed_since)")
    assert row.revert_of_id is not None


@pytest.mark.parametrize(
    ("given", "says"),
    [("one", "one is no id of a request"), (NOBODYS, "there is no request")],
)
def test_no_such_request(db: None, given: str, says: str) -> None:
    with pytest.raises(CommandError, match=says) as failed:
        run(given)
    assert failed.value.returncode == 1
