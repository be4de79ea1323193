"""What happens by itself at its time: records that go, change sets that wait."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from dnsorch.tests.e2e.harness import Stack, until

CHANGESETS = "/api/v2/changesets/"


def soon(seconds: float) -> datetime:
    """Return a time to come."""
    return datetime.now(UTC) + timedelta(seconds=seconds)


def add(stack: Stack, name: str, own: dict[str, str], **fields: str) -> Any:
    """Post a change set that adds a record; ``own`` are fields of its change."""
    change = {"action": "add", "name": name, "type": "A", "records": ["192.0.2.1"]}
    body = {"zone": "example.test.", "changes": [change | own], **fields}
    with stack.client() as client:
        answer = client.post(CHANGESETS, json=body)
    assert answer.status_code == 202, answer.text
    return answer.json()


def test_a_record_appears_and_goes_by_itself(stack: Stack) -> None:
    name = f"life-{uuid.uuid4().hex[:8]}"
    owner = f"{name}.example.test."
    ends = soon(4)
    asked = add(stack, name, {"expires_at": ends.isoformat()})
    assert stack.final(asked["id"])["status"] == "completed"
    assert stack.resolve(owner) == {"192.0.2.1"}
    until(lambda: not stack.resolve(owner) or None, "the record is gone", 20)
    assert datetime.now(UTC) >= ends
    (gone,) = stack.every("/api/v2/requests/", source="schedule", name=owner)
    last = stack.final(gone["id"])
    assert (last["status"], last["action"]) == ("completed", "expire")
    assert (last["requester"], last["changes"][0]["after"]) == (
        asked["requester"],
        None,
    )
    assert asked["id"] in last["comment"]


def test_a_scheduled_change_set_appears_at_its_time_and_not_before(
    stack: Stack,
) -> None:
    name = f"later-{uuid.uuid4().hex[:8]}"
    owner = f"{name}.example.test."
    due = soon(3)
    asked = add(stack, name, {}, not_before=due.isoformat())
    assert (asked["status"], asked["changes"]) == ("scheduled", [])

    def appeared() -> bool | None:
        there = bool(stack.resolve(owner))
        assert not there or datetime.now(UTC) >= due
        return there or None

    until(appeared, "the record is there", 20)
    last = stack.final(asked["id"])
    assert (last["status"], last["not_before"]) == ("completed", asked["not_before"])
    (sent,) = (each for each in last["events"] if each["step"] == "sent")
    assert datetime.fromisoformat(sent["at"]) >= due
