"""What can be asked for, as :mod:`.changes` takes it: shapes, no code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from dnsorch.tokens.access import Access
from requests_tracker.models import Request
from requests_tracker.services.lifecycle import Origin

if TYPE_CHECKING:
    from dns_records.services.changes import Prepared


class Submission(Protocol):
    """What can be accepted or planned: a change set, or one record's change."""

    def prepare(self, access: Access, request: Request) -> Prepared:
        """Find the zone, lock the names, plan; fill in what the tracker shows."""


class Ready(Protocol):
    """What can be stored, or shown as a plan."""

    def store(self, request: Request, origin: Origin) -> None:
        """Store it as what ``request`` asks for."""

    def answer(self) -> dict[str, Any]:
        """Return the plan, as JSON."""


class Asked(Protocol):
    """A submission, or several in one."""

    def prepare(self, access: Access, request: Request) -> Ready:
        """Find the zones, lock the names, plan; fill in what the tracker shows."""


@runtime_checkable
class Postponed(Submission, Protocol):
    """What is planned later than it is accepted."""

    def postpone(self, access: Access, request: Request, origin: Origin) -> None:
        """Judge it by itself and store it, with its request."""
