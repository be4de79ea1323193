"""What the API's answer means for a message: the table of the Kafka contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from kafka_bridge.client import Answer


class Verdict(Enum):
    """What to do with a message, or with all messages of a batch."""

    DONE = "done"
    #: The API has tracked the rejection: copy to the dead-letter topic, then done.
    DEAD = "dead"
    #: Pause the partition, back off, post again from this message.
    RETRY = "retry"
    #: Our token or URL is wrong: take no message until that is mended.
    HALT = "halt"
    #: Refused as a whole: post fewer messages together.
    SPLIT = "split"


@dataclass(frozen=True)
class Reason:
    """Why the API rejected a message: what a dead letter's headers say."""

    code: str
    detail: str
    request_id: str = ""


_ACCEPTED: Final = frozenset({200, 202})
# Request Timeout, Too Early, Failed Dependency, Too Many Requests: "not now".
_NOT_NOW: Final = frozenset({408, 424, 425, 429})


def of_item(status: int, body: Any) -> Verdict:
    """Judge one entry of a 207's ``results``."""
    problem = body if isinstance(body, Mapping) else {}
    if status in _ACCEPTED:
        return Verdict.DONE
    if status == 401:
        return Verdict.HALT
    if not 400 <= status < 500 or status in _NOT_NOW:
        return Verdict.RETRY
    if problem.get("code") == "idempotency_in_progress":
        return Verdict.RETRY
    if problem.get("request_id"):
        return Verdict.DEAD
    return Verdict.HALT if status in (403, 404) else Verdict.RETRY


def of_answer(answer: Answer, size: int) -> Verdict:
    """Judge an answer that is not a usable 207, to a batch of ``size`` messages.

    A 401, 403 or 404 to the whole batch is about our token or URL, whether the API
    tracked it or not. A 400 or 413 to a batch of one goes to the dead-letter topic
    only if the answer is the API's own and about that message: a proxy in between
    says such things too.
    """
    if answer.status in (401, 403, 404):
        return Verdict.HALT
    if answer.status in (400, 413):
        if size > 1:
            return Verdict.SPLIT
        return Verdict.DEAD if _about_the_message(answer) else Verdict.RETRY
    return Verdict.RETRY


def reason(body: Any, status: int | None) -> Reason:
    """Return why an item was rejected, from its problem document."""
    problem = body if isinstance(body, Mapping) else {}
    return Reason(
        code=str(problem.get("code") or f"http_{status}"),
        detail=str(problem.get("detail") or problem.get("title") or ""),
        request_id=str(problem.get("request_id") or ""),
    )


def _about_the_message(answer: Answer) -> bool:
    problem = answer.problem
    if problem is None:
        return False
    if answer.status == 413 or problem.get("request_id"):
        return True
    errors = problem.get("errors")
    return isinstance(errors, list) and any(
        isinstance(error, Mapping)
        and str(error.get("pointer", "")).startswith("/items/0")
        for error in errors
    )
