"""Places at which a test makes a process die, stop or wait, and guards it takes away.

The setting ``DNSORCH_FAILPOINTS`` is empty, and then this costs nothing. In the dev
profile, and only there, it is a list of entries, or ``file:PATH`` with the list in a
file that is read anew each time, so that a test arms a process that runs already::

    after_send=exit@3,before_commit=sleep:2,before_send=stop!/tmp/fired,no_sweep

An entry names a place, an action, for ``sleep`` the seconds, after ``@`` the one hit
of this process that counts (any, without it), and after ``!`` a file that says that it
has happened: it holds the process id, and with it there nothing happens again, so that
a process started anew does not die once more. ``no_GUARD`` takes a guard away: the
fault suite has to find the damage.
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

#: Where a process may be stopped, in the order in which a change passes them.
PLACES = (
    "after_accept",  # the request is committed, the client not answered
    "after_post",  # the API has answered the consumer, no offset is stored
    "after_wal",  # the batch row is committed, its message not sent
    "before_send",  # the message is about to be signed and sent
    "after_sign",  # it is signed, for as long as the lease lasts
    "after_send",  # the server has answered, nothing is written
    "after_probe",  # the server holds all of it, nothing is written
    "before_commit",  # what became of the batch is written and not committed
    "after_takeover",  # the marker is taken, the past not decided
    "after_import_page",  # a page of an import is taken, the next one not
    "after_produce",  # Kafka has confirmed outcomes, they are not marked
)
#: What a mutation run takes away.
GUARDS = ("marker", "sweep", "idempotency_row", "guarded_results")

FILE = "file:"
EXIT_CODE = 137  # as of a process that was killed
_ENTRY = re.compile(
    r"(?P<place>\w+)=(?P<action>exit|stop|sleep:(?P<seconds>\d+(\.\d+)?))"
    r"(@(?P<hit>\d+))?(!(?P<fired>[^,]+))?"
)


@dataclass(frozen=True)
class Entry:
    """What happens at a place."""

    action: str
    seconds: float
    hit: int | None
    fired: Path | None


@dataclass(frozen=True)
class Plan:
    """What the setting says."""

    entries: Mapping[str, Entry] = field(default_factory=dict)
    without: frozenset[str] = frozenset()


_hits: defaultdict[tuple[str, Entry], count[int]] = defaultdict(lambda: count(1))


def hit(place: str) -> None:
    """Do what is planned for this place; nothing, as a rule."""
    if not settings.DNSORCH_FAILPOINTS:
        return
    entry = plan().entries.get(place)
    if entry is None:
        return
    number = next(_hits[place, entry])
    if entry.hit is None or entry.hit == number:
        _act(entry)


def stands(guard: str) -> bool:
    """Say whether a guard is in its place: always, except in a mutation run."""
    if not settings.DNSORCH_FAILPOINTS:
        return True
    return guard not in plan().without


def plan() -> Plan:
    """Return what the setting says now.

    Raises:
        ImproperlyConfigured: it says what nobody understands.
    """
    text: str = settings.DNSORCH_FAILPOINTS
    if text.startswith(FILE):
        try:
            text = Path(text.removeprefix(FILE)).read_text()
        except FileNotFoundError:
            text = ""
    return _parse(text.strip())


@lru_cache(maxsize=16)
def _parse(text: str) -> Plan:
    entries: dict[str, Entry] = {}
    without: set[str] = set()
    for word in filter(None, (part.strip() for part in text.split(","))):
        match = _ENTRY.fullmatch(word)
        if match and match["place"] in PLACES:
            entries[match["place"]] = Entry(
                match["action"].partition(":")[0],
                float(match["seconds"] or 0),
                int(match["hit"]) if match["hit"] else None,
                Path(match["fired"]) if match["fired"] else None,
            )
        elif word.removeprefix("no_") in GUARDS and word.startswith("no_"):
            without.add(word.removeprefix("no_"))
        else:
            raise ImproperlyConfigured(f"DNSORCH_FAILPOINTS: {word!r} is no entry")
    return Plan(entries, frozenset(without))


def _act(entry: Entry) -> None:
    if entry.fired is not None:
        try:
            with entry.fired.open("x") as file:
                file.write(f"{os.getpid()}\n")
        except FileExistsError:
            return
    if entry.action == "exit":
        os._exit(EXIT_CODE)
    elif entry.action == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    else:
        time.sleep(entry.seconds)
