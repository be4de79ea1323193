"""What is known after a run: plain data, so that a test can make it up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from dnsorch.tests.faults.update_log import Added


class Asked(NamedTuple):
    """What the workload asked for, and what it was told."""

    key: str
    name: str
    number: int
    door: str
    statuses: tuple[int, ...] = ()
    request_id: str | None = None


class Request(NamedTuple):
    """A row of the tracker; ``finals`` are the final steps of its timeline."""

    id: str
    key: str
    status: str
    error: str
    finals: tuple[str, ...]


class Change(NamedTuple):
    """A row of a change; ``number`` is what it wants its RRset to hold."""

    id: int
    request_id: str
    zone: str
    name: str
    number: int
    version: int
    status: str


class Batch(NamedTuple):
    """A row of a message."""

    zone: str
    epoch: int
    number: int
    status: str
    error: str = ""


class Outcome(NamedTuple):
    """An event of the outbox; ``sequence`` is its place among those of its zone."""

    request_id: str
    zone: str
    type: str
    sequence: int | None


class Published(NamedTuple):
    """An event as Kafka has it."""

    key: str
    id: str
    request_id: str


class Held(NamedTuple):
    """What an RRset is to hold, and what the last decided UPDATE left of it."""

    wanted: int | None
    applied: int | None


@dataclass(frozen=True)
class Evidence:
    """All that the checker judges.

    ``served`` is what each server answers, by server and name; ``dead`` are the keys
    of messages in the dead-letter topic that no request tracks; ``leaks`` are places
    in logs that hold a secret; ``recovery_s`` is None if it did not come.
    """

    asked: Sequence[Asked] = ()
    requests: Sequence[Request] = ()
    changes: Sequence[Change] = ()
    batches: Sequence[Batch] = ()
    outcomes: Sequence[Outcome] = ()
    published: Sequence[Published] = ()
    added: Sequence[Added] = ()
    held: Mapping[str, Held] = field(default_factory=dict)
    served: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    dead: Sequence[str] = ()
    leaks: Sequence[str] = ()
    recovery_s: float | None = 0.0
    bound_s: float = 30.0
