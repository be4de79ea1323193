"""What a request with parts says of them: on its timeline, and in its error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dnsorch.exceptions import DnsorchError, Reason
from requests_tracker.models import OnFailure, Request, Step
from requests_tracker.services.timeline import Entry
from requests_tracker.status import FINAL, Status

#: How the end of a part is told on the timeline of the whole.
ENDS: Final = {
    Status.COMPLETED: (Step.VERIFIED, "info"),
    Status.FAILED: (Step.FAILED, "error"),
    Status.REJECTED: (Step.REJECTED, "error"),
    Status.CANCELLED: (Step.CANCELLED, "warning"),
}
#: What a part failed with that is in DNS nevertheless: not each server showed it.
APPLIED_FAILURES: Final = frozenset({"not_verified"})


class PartsFailed(DnsorchError):
    """A part of the request failed or was cancelled; ``errors`` name each part."""

    code = "parts_failed"


def to_put_back(parent: Request, own: Sequence[Request]) -> list[Request]:
    """Return the parts that have to be put back, and that nobody has yet.

    ``own`` are all parts, with what compensates each. There are some only once all
    parts are final, and one of them is not completed.
    """
    first = [each for each in own if each.compensates_id is None]
    if parent.on_failure != OnFailure.REVERT or not all(p.is_final for p in first):
        return []
    if all(each.status == Status.COMPLETED for each in first):
        return []
    done = {each.compensates_id for each in own}
    return [each for each in first if was_applied(each) and each.pk not in done]


def was_applied(part: Request) -> bool:
    """Say whether what a final part asked for is in DNS."""
    return part.status == Status.COMPLETED or part.error_code in APPLIED_FAILURES


def news(parent: Request, own: Sequence[Request]) -> list[Entry]:
    """Return what the timeline of the whole does not tell yet: which parts ended."""
    steps = [step for step, _ in ENDS.values()]
    data = parent.events.filter(step__in=steps).values_list("data", flat=True)
    told = {each.get("part") for each in data}
    return [_ended(each) for each in own if each.is_final and str(each.pk) not in told]


def end(to: Status, own: Sequence[Request]) -> tuple[list[Entry], DnsorchError | None]:
    """Return what is told of the state ``to`` of the whole, and its error."""
    if to == Status.FAILED:
        error = _failed(own)
        return [Entry.failure(Step.FAILED, error)], error
    if to == Status.COMPLETED:
        return [Entry(Step.COMPLETED, "completed: all parts are")], None
    if to == Status.CANCELLED:
        return [Entry(Step.CANCELLED, "cancelled: all parts are")], None
    return [], None


def _ended(part: Request) -> Entry:
    step, level = ENDS[Status(part.status)]
    return Entry(
        step,
        f"the part for {part.zone or 'no zone'}{_putting_back(part)} is {_state(part)}",
        level,
        {"part": str(part.pk), "zone": part.zone, "status": part.status},
    )


def _putting_back(part: Request) -> str:
    return ", which puts back what was there," if part.compensates_id else ""


def _state(part: Request) -> str:
    why = (part.error or {}).get("detail", "")
    return f"{part.status}: {why}" if why else part.status


def _failed(own: Sequence[Request]) -> PartsFailed:
    """Return the error of the whole: which parts did not do, what was put back."""
    first = [each for each in own if each.compensates_id is None]
    back = {each.compensates_id: each for each in own if each.compensates_id}
    reasons = []
    said = []
    for index, part in enumerate(first):
        what = f"{part.zone} is {part.status}"
        if (other := back.get(part.pk)) is not None:
            done = other.status == Status.COMPLETED
            what += " and put back" if done else f"; putting it back {_state(other)}"
        said.append(what)
        if part.status != Status.COMPLETED:
            code = part.error_code or part.status
            detail = f"{part.zone}: {_state(part)} (request {part.pk})"
            reasons.append(Reason(f"/parts/{index}", code, detail))
    count = sum(each.status in FINAL - {Status.COMPLETED} for each in first)
    return PartsFailed(
        f"{count} of {len(first)} parts did not complete: {'; '.join(said)}",
        reasons=tuple(reasons),
    )
