"""When the sweep says again that work is due, and when it does the work itself.

A hint that was lost has to be given again. One that the broker still holds has not:
workers that are behind would hear each of them many times, which takes them longer yet.
The sweep does the work itself where nothing of all that waits has moved by other hands
for a while.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto

# What was said and has not moved is said again after so many seconds...
AGAIN_S = 3.0
# ... or, while the broker holds hints that nobody has taken, after so many.
AGAIN_BEHIND_S = 60.0
# Where nobody does anything for so long, all hints are in vain: the broker takes them
# and no worker hears them. A worker may need a minute to find its connection dead.
UNHEARD_AFTER_S = 6.0

#: The task, and the id of the zone.
Key = tuple[str, int]


class Act(Enum):
    """What the sweep does about something that is due."""

    LEAVE = auto()
    HINT = auto()
    DO = auto()


@dataclass
class _Due:
    """Something that is due: found in every sweep from ``first`` on.

    ``since`` says which work it is: another moment is other work. ``done`` grows as
    parts of it are done.
    """

    since: object
    done: int
    first: float
    said_at: float = float("-inf")
    sweep: int = 0
    done_here: bool = False


@dataclass
class Hints:
    """What one process's sweep has said, and whether anybody heard it.

    ``backlog`` says how many hints the broker holds; it is asked once in a sweep, if
    something is due at all.
    """

    backlog: Callable[[], int]
    _due: dict[Key, _Due] = field(default_factory=dict)
    _sweep: int = 0
    _moved: float = float("-inf")
    _is_behind: bool | None = None

    def begin(self) -> None:
        """Begin a sweep."""
        self._sweep += 1
        self._is_behind = None

    def found(
        self, key: Key, since: object, *, done: int = 0, said: bool = False
    ) -> Act:
        """Decide about something that this sweep found due.

        ``said`` is whether somebody else has given a hint that no worker has taken.
        """
        now = time.monotonic()
        if self._is_behind is None:
            self._is_behind = self.backlog() > 0
        due = self._due.get(key)
        was_gone = due is not None and due.sweep < self._sweep - 1
        if due is None or due.since != since:
            self._see(due, now)
            due = self._due[key] = _Due(since, done, now)
            if said and self._is_behind:
                due.said_at = now
        elif was_gone or due.done != done:
            self._see(due, now)
            if was_gone or not due.done_here:
                # Somebody is at it, and will look whether that was all.
                due.first = now
            due.done, due.done_here = done, False
        due.sweep = self._sweep
        if min(now - due.first, now - self._moved) >= UNHEARD_AFTER_S:
            return Act.DO
        again_s = AGAIN_BEHIND_S if self._is_behind else AGAIN_S
        if now - due.said_at < again_s:
            return Act.LEAVE
        due.said_at = now
        return Act.HINT

    def _see(self, due: _Due | None, now: float) -> None:
        """Note that something has moved, unless it was by our own hands."""
        if due is not None and not due.done_here:
            self._moved = now

    def done_here(self, key: Key) -> None:
        """Note that the sweep did it: nobody heard of it."""
        due = self._due[key]
        due.done_here, due.said_at = True, float("-inf")

    def end(self) -> None:
        """End a sweep: what is gone since the one before was done by others."""
        now = time.monotonic()
        for key, due in list(self._due.items()):
            if due.sweep == self._sweep - 1:
                self._see(due, now)
            if due.sweep < self._sweep and now - due.said_at >= AGAIN_S:
                del self._due[key]
