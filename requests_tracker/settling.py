"""The state of a request that is carried out by its parts. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol
from uuid import UUID

from requests_tracker.status import FINAL, TRANSITIONS, Status

UNSENT = frozenset({Status.QUEUED, Status.CANCELLED})


class Part(Protocol):
    """What matters of a part here; one that ``compensates`` another is no part of it.

    It puts back what another part did, once it is known how the whole ends.
    """

    status: str
    compensates_id: UUID | None


def due(parts: Iterable[Part], *, complete: bool) -> Status:
    """Return the state that follows from the states of the parts.

    ``complete`` says that there will be no more parts. Until then somebody is at work
    to make them: it is not in the queue, where it could be cancelled or time out.
    """
    parts = list(parts)
    found = {Status(each.status) for each in parts if each.compensates_id is None}
    back = {Status(each.status) for each in parts if each.compensates_id is not None}
    if complete and found | back <= FINAL:
        if found <= {Status.COMPLETED}:
            return Status.COMPLETED
        return Status.CANCELLED if found == {Status.CANCELLED} else Status.FAILED
    if complete and found <= FINAL | {Status.VERIFYING}:
        return Status.VERIFYING
    return Status.QUEUED if complete and found <= UNSENT else Status.PROVISIONING


def path(before: str, after: Status) -> list[Status]:
    """Return the shortest way from one state to another, [] where there is none."""
    ways: list[list[Status]] = [[Status(before)]]
    seen = {Status(before)}
    for way in ways:
        if way[-1] == after:
            return way[1:]
        for step in sorted(TRANSITIONS[way[-1]] - seen):
            seen.add(step)
            ways.append([*way, step])
    return []
