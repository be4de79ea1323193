"""Finding the zone of what a client names, for one change or for many at once."""

from __future__ import annotations

from collections.abc import Iterable

from dns_records.models import Zone
from dns_records.services import zones
from dnsorch.tokens.access import Access


class Finder:
    """Finds zones for somebody who may change them, and reads each anew."""

    def named(self, access: Access, text: str) -> Zone:
        """Return the zone that a client names.

        Raises:
            InvalidName: ``text`` is no name of a zone.
            ZoneNotFound: there is none, or it is not theirs to see.
            Forbidden: they may only read it.
        """
        return zones.get_for_write(access, text)

    def holding(self, access: Access, name: str) -> Zone:
        """Return the zone with the longest apex that ``name``, canonical, is in.

        Raises:
            ZoneNotFound: no registered zone holds it, or not one of theirs.
            Forbidden: they may only read it.
        """
        return zones.for_name(access, name)


class Remembering(Finder):
    """Reads each zone once, and those of ``names``, canonical, in one statement.

    For one caller and one transaction: what it has found stays found.
    """

    def __init__(self, names: Iterable[str]) -> None:
        """Look up which zones hold ``names``."""
        self._holders = zones.holders(names)
        self._named: dict[str, Zone] = {}

    def named(self, access: Access, text: str) -> Zone:
        """Return the zone that a client names; see :meth:`Finder.named`."""
        if text not in self._named:
            self._named[text] = super().named(access, text)
        return self._named[text]

    def holding(self, access: Access, name: str) -> Zone:
        """Return the zone that ``name`` is in; see :meth:`Finder.holding`."""
        return zones.check_held(access, name, self._holders.get(name))
