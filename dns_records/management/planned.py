"""What the commands share that show a plan, and send what was approved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from dns_records.management.tracked import ACCESS
from requests_tracker.models import Request
from requests_tracker.services.lifecycle import Origin

WOULD_CHANGE: Final = 2


def origin(action: str) -> Origin:
    """Return where a request of a command comes from."""
    # Its body is that of the API.
    return replace(Origin.inside(ACCESS, action), api_version="v2")


def would_change(plan: Mapping[str, Any]) -> bool:
    """Say whether a plan makes any RRset another."""
    return any(each["before"] != each["after"] for each in _steps(plan))


def lines(plan: Mapping[str, Any]) -> Iterator[str]:
    """Yield a plan as people read it: records with a sign, as in a diff."""
    for each in _steps(plan):
        before, after = _records(each, "before"), _records(each, "after")
        for line in sorted(before | after, key=lambda line: (line not in before, line)):
            sign = " " if line in before & after else "-" if line in before else "+"
            yield f"{sign} {line}"
    for own in plan.get("plans", [plan]):
        yield from (f"warning: {each['detail']}" for each in own["warnings"])
        yield from (f"unsafe: {reason}" for reason in own["unsafe"])
    yield f"digest: {plan['digest']}"


def became(request: Request) -> dict[str, Any]:
    """Return what became of a request, as JSON."""
    found = {"id": str(request.pk), "status": request.status}
    return {**found, "error": request.error}


def became_lines(request: Request) -> Iterator[str]:
    """Yield what became of a request, as people read it."""
    yield f"request {request.pk}: {request.status}"
    if request.error:
        yield from told(request.error)


def told(error: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong, with every place in the body that it is about."""
    yield f"{error['detail']} ({error['code']})"
    reasons = error.get("errors", ())
    for reason in reasons:
        if reason["pointer"]:
            yield f"  {reason['pointer']}: {reason['detail']}"
        elif len(reasons) > 1:  # a zone file has lines instead
            yield f"  {reason['detail']}"


def _steps(plan: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the changes of a plan, of all its zones, each RRset once."""
    plans = plan.get("plans", [plan])
    steps = [each for own in plans for each in own["changes"]]
    return list({(each["name"], each["type"]): each for each in steps}.values())


def _records(step: Mapping[str, Any], which: str) -> set[str]:
    """Return an image as lines of a zone file (RFC 1035 section 5)."""
    image = step[which] or {"ttl": 0, "records": []}
    about = f"{step['name']} {image['ttl']} IN {step['type']}"
    return {f"{about} {record}" for record in image["records"]}
