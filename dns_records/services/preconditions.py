"""Conditions under which a client wants its change (RFC 9110 section 13)."""

from __future__ import annotations

from dataclasses import dataclass

from dns_records import images
from dns_records.images import Key
from dns_records.plan import Expectation
from dns_records.services.wanted import Locked
from dnsorch.exceptions import PreconditionFailed


@dataclass(frozen=True)
class Precondition:
    """``If-Match`` and ``If-None-Match: *`` (RFC 9110 section 13.1).

    ``versions`` are those of the client's entity tags; None stands for ``*``.
    """

    versions: frozenset[str] | None = None
    absent: bool = False

    def expect(self, locked: Locked, key: Key) -> Expectation:
        """Return the image that has to hold if the precondition holds now.

        What a tag compares is the version; what has to hold still, should an earlier
        change be taken out, is the image.

        Raises:
            PreconditionFailed: it does not hold.
        """
        found = locked.image(key)
        version = str(locked.rrsets[key].version) if found else None
        if self.absent:
            holds = found is None
        else:
            holds = found is not None and (
                self.versions is None or version in self.versions
            )
        if not holds:
            state = f"it has version {version}" if found else "it does not exist"
            raise PreconditionFailed(
                f"{key.name} {key.type} is not in the state asked for: {state}",
                extra={"current": images.dump(found), "current_version": version},
            )
        return Expectation(found.records, found.ttl) if found else Expectation(None)
