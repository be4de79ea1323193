"""What a caller may do: the value that ``request.auth`` holds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Access:
    """In whose name a caller acts, through which door, and on which zones.

    ``zones`` holds canonical zone names; None means all. ``token_id`` is None for a
    person with a session.
    """

    owner: str
    source: str = "rest"
    zones: frozenset[str] | None = None
    read_only: bool = False
    token_id: int | None = None

    def may_read(self, zone: str) -> bool:
        """Say whether the caller may see ``zone``, a canonical zone name."""
        return self.zones is None or zone in self.zones

    def may_write(self, zone: str) -> bool:
        """Say whether the caller may change ``zone``, a canonical zone name."""
        return not self.read_only and self.may_read(zone)
