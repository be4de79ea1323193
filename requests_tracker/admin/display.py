"""How the admin shows states, times, images and data. Whatever is data is escaped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from dnsorch import clock

NOTHING = "–"

# The colour of a state, whichever thing is in it; any other is grey.
GOOD = frozenset({"applied", "completed", "live", "ok", "verified"})
BUSY = frozenset(
    {
        "approved",
        "enqueued",
        "pending",
        "propagating",
        "provisioning",
        "queued",
        "received",
        "running",
        "sent",
        "stored",
        "validated",
        "verifying",
    }
)
WAITING = frozenset(
    {
        "awaiting_approval",
        "backend_unavailable",
        "missed",
        "not_applied",
        "retry_scheduled",
        "scheduled",
        "unavailable",
        "waiting",
        "warning",
    }
)
BAD = frozenset({"failed", "misconfigured", "problem", "rejected"})
COLOURS = {"good": GOOD, "busy": BUSY, "waiting": WAITING, "bad": BAD}

# Seconds in a unit, and the unit of what is left over.
UNITS = ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))


class Line(NamedTuple):
    """One record of an image; ``kept`` if the other image has it too."""

    text: str
    kept: bool


def badge(state: str, title: str = "") -> SafeString:
    """Return a state, or a step of a timeline, in its colour."""
    colour = next((each for each, them in COLOURS.items() if state in them), "idle")
    return format_html(
        '<span class="dnsorch-badge dnsorch-{}" title="{}">{}</span>',
        colour,
        title,
        state.replace("_", " "),
    )


def span(length: timedelta) -> str:
    """Return a length of time in the two units that matter."""
    seconds = length.total_seconds()
    if seconds < 0:
        return f"-{span(-length)}"
    for unit, name, part, part_name in UNITS:
        if seconds >= unit:
            whole, rest = divmod(int(seconds), unit)
            return f"{whole} {name} {rest // part} {part_name}"
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"


def ago(at: datetime) -> str:
    """Return how long ago ``at`` was, or how far ahead it is."""
    length = clock.now() - at
    return f"{span(length)} ago" if length >= timedelta() else f"in {span(-length)}"


def stamp(at: datetime) -> str:
    """Return a time to the millisecond, in the zone of the settings."""
    return timezone.localtime(at).isoformat(" ", "milliseconds")[:23]


def moment(at: datetime | None) -> str:
    """Return a time as people ask for it: how long ago, and exactly when."""
    if at is None:
        return NOTHING
    return format_html(
        '<time class="dnsorch-time" datetime="{}">{}<br><small>{}</small></time>',
        at.isoformat(),
        ago(at),
        stamp(at)[:19],
    )


def code(text: str) -> str:
    """Return what machines gave, such as an id, in the type of machines."""
    return format_html("<code>{}</code>", text) if text else NOTHING


def pretty(data: Any) -> str:
    """Return JSON for people."""
    return json.dumps(data, indent=2, ensure_ascii=False, sort_keys=True)


def block(data: Any) -> str:
    """Return data as JSON over several lines."""
    return format_html('<pre class="dnsorch-data">{}</pre>', pretty(data))


def image(value: Mapping[str, Any] | None) -> str:
    """Return the image of an RRset in one text, a record a line."""
    return "\n".join(line.text for line in lines(value, None)) or "absent"


def lines(
    value: Mapping[str, Any] | None, other: Mapping[str, Any] | None
) -> list[Line]:
    """Return the records of an image, each marked by whether ``other`` has it."""
    theirs = set(_texts(other))
    return [Line(text, text in theirs) for text in _texts(value)]


def _texts(value: Mapping[str, Any] | None) -> list[str]:
    if value is None:
        return []
    return [f"{value['ttl']}  {record}" for record in value["records"]]
