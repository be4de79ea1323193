"""The owner names of several change sets of a zone, locked and stored at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

from dns_records.images import Key
from dns_records.models import Zone
from dns_records.services import wanted
from dns_records.services.wanted import Locked


class Lot:
    """Names that are locked for change sets which are planned one after the other.

    Each finds what those before it leave, though nothing is stored until
    :meth:`save`: only the names of the lot change, and nobody else may write them.
    """

    def __init__(self, zone: Zone, names: Collection[str]) -> None:
        """Lock ``names``, which are made if they are new, and read their RRsets."""
        self._whole = wanted.lock(zone, names)
        self._keys: dict[str, set[Key]] = defaultdict(set)
        # All that is known without another look at the database.
        self._types = dict(self._whole.above)
        for key in self._whole.rrsets:
            self._keys[key.name].add(key)
        self._note(names)

    def part(self, names: Collection[str]) -> Locked:
        """Return some of the names; what is unsaved of them is unsaved of the lot."""
        whole = self._whole
        keys = [key for name in names for key in self._keys[name]]
        return Locked(
            zone=whole.zone,
            owners={name: whole.owners[name] for name in names},
            rrsets={key: whole.rrsets[key] for key in keys},
            records={key: whole.records[key] for key in keys},
            above=self._types,
            unsaved=whole.unsaved,
        )

    def keep(self, changed: Locked) -> None:
        """Take over what was changed of a part."""
        self._whole.rrsets |= changed.rrsets
        self._whole.records |= changed.records
        for key in changed.rrsets:
            self._keys[key.name].add(key)
        self._note(changed.owners)

    def save(self) -> None:
        """Store what was changed, so that the database can be asked about it."""
        wanted.save(self._whole)

    def _note(self, names: Collection[str]) -> None:
        rrsets = self._whole.rrsets
        for name in names:
            present = (key.type for key in self._keys[name] if rrsets[key].present)
            self._types[name] = frozenset(present)
