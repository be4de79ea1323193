"""The contract between dnsorch and an external DNS service.

A provider is one subclass of :class:`Provider` in one file, and one entry in the
setting ``DNSORCH_PROVIDERS``. The base owns what is the same for all of them:
options, order, sizes, time and log lines. A provider declares what it can do as
class constants and writes the hooks, whose names start with an underscore.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import structlog

from dns_records.names import RESERVED_LABEL
from dns_records.providers.errors import (
    Misconfigured,
    PermanentRefusal,
    ProviderError,
    TooLate,
)
from dns_records.providers.options import Option, checked
from dns_records.tcp import Deadline

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class RRsetChange:
    """The image that an RRset shall have; no ``records`` means that it is absent.

    ``name`` is a canonical absolute name, ``ttl`` is in seconds (of no meaning for
    an absent RRset), ``records`` are rdata in canonical presentation form.
    """

    name: str
    type: str
    ttl: int
    records: tuple[str, ...]


@dataclass(frozen=True)
class Fence:
    """One step of the marker RR (RFC 2136 section 5.7 calls it so).

    ``previous`` must be the marker's text when the message arrives, None that the
    marker's name is not in use at all; ``next`` takes its place. Both are ASCII, at
    most 255 octets.
    """

    previous: str | None
    next: str


@dataclass(frozen=True)
class Terms:
    """What has to hold for a message to take effect.

    ``expected`` are images that the service has to hold when the message arrives, TTLs
    aside (RFC 2136 section 2.4). After ``until`` the message must have no effect any
    more: nothing is sent then, and a service that checks the time of a message refuses
    a copy that comes later.
    """

    fence: Fence | None = None
    expected: tuple[RRsetChange, ...] = ()
    until: Deadline | None = None


@dataclass(frozen=True)
class Receipt:
    """What a service said to an applied message.

    ``octets`` is the size of the message as sent, ``seconds`` the time until its
    answer.
    """

    rcode: str
    octets: int
    seconds: float


class Secret(Protocol):
    """Gives the backend's secret; ``fresh`` asks its source, whatever is cached."""

    def __call__(self, *, fresh: bool = False) -> str:
        """Return the secret.

        Raises:
            SecretUnavailable: its source does not give it.
        """


def marker_name(zone: str) -> str:
    """Return the owner name of the marker of ``zone``."""
    return RESERVED_LABEL + "." + zone.lstrip(".")


class Provider(ABC):
    """Writes RRsets to an external DNS service and asks it what it holds.

    A provider keeps no state that matters between two calls; it may keep connections,
    one set per thread. It never logs, returns or raises a secret.
    """

    driver: ClassVar[str]
    """The name by which a Backend chooses this provider."""
    options: ClassVar[Mapping[str, Option]]
    """Every option that a Backend may set."""
    supported_types: ClassVar[frozenset[str]]
    """The RR types that can be written."""
    writes_unknown_types: ClassVar[bool] = False
    """Whether types without a name can be, as ``TYPEnnn`` (RFC 3597)."""
    max_message_octets: ClassVar[int]
    """The largest message that the service takes."""
    can_probe: ClassVar[bool]
    """Whether :meth:`probe` tells exactly what the service holds."""
    can_fence: ClassVar[bool]
    """Whether the service itself checks a :class:`Fence`."""
    can_expect: ClassVar[bool] = False
    """Whether the service itself checks what is ``expected`` of it."""
    can_list: ClassVar[bool] = False
    """Whether :meth:`read_zone` tells all that the service holds."""
    lists_by: ClassVar[Literal["transfer", "api"]] = "api"
    """How it does: by AXFR, or by an API of its own."""
    may_be_late: ClassVar[bool] = True
    """Whether a message may still arrive when its answer was given up."""

    def __init__(self, options: Mapping[str, Any], secret: Secret | None) -> None:
        """Check ``options`` against what the class declares and hand them over.

        Raises:
            Misconfigured: an option is unknown, missing, of another type or of an
                impossible value; the message names it.
        """
        self.secret = secret
        self._configure(checked(options, self.options))

    # --- the flow, the same for all ------------------------------------------------

    def apply(
        self,
        zone: str,
        changes: Sequence[RRsetChange],
        *,
        fence: Fence | None = None,
        expected: Sequence[RRsetChange] = (),
        until: Deadline | None = None,
    ) -> Receipt:
        """Give every RRset its image, in ONE message: all of it or nothing.

        RRsets that end absent go first, so that a CNAME can be swapped for an
        address in one message. ``changes`` may be empty beside a ``fence``: then
        only the marker moves. ``fence``, ``expected`` and ``until`` are the message's
        :class:`Terms`.

        A receipt is not yet proof: services may ignore parts of a message silently.
        :meth:`probe` tells.

        Raises:
            ValueError: nothing to do, or an RRset is named twice.
            ProviderError: one of its five kinds.
        """
        if not changes and fence is None:
            raise ValueError("neither changes nor a fence: there is nothing to send")
        if len({(change.name, change.type) for change in changes}) != len(changes):
            raise ValueError("an RRset may be changed only once in a message")
        self._check_types(changes)
        if fence is not None and not self.can_fence:
            raise Misconfigured(f"the driver {self.driver!r} cannot fence")
        if expected and not self.can_expect:
            raise Misconfigured(f"the driver {self.driver!r} cannot expect anything")
        if until is not None and until.is_over:
            raise TooLate()
        terms = Terms(fence, tuple(expected), until)
        deletes_first = sorted(changes, key=lambda change: bool(change.records))
        with self._logged("apply", zone, changes=len(changes)) as line:
            started = time.perf_counter()
            rcode, octets = self._apply(zone, deletes_first, terms)
            seconds = time.perf_counter() - started
            line.update(rcode=rcode, octets=octets)
        return Receipt(rcode=rcode, octets=octets, seconds=seconds)

    def probe(self, zone: str, images: Sequence[RRsetChange]) -> bool:
        """Return whether the update server holds exactly these images, all of them.

        Exact where a query is not: a wildcard or a delegation cannot mislead it. TTLs
        are not compared (RFC 2136 section 3.2.3); a query tells those.

        Raises:
            ProviderError: one of its five kinds, but never fenced.
        """
        if not images:
            return True
        if not self.can_probe:
            raise Misconfigured(f"the driver {self.driver!r} cannot probe")
        with self._logged("probe", zone, images=len(images)) as line:
            holds = self._probe(zone, images)
            line.update(holds=holds)
        return holds

    def check_secret(self) -> None:
        """Say whether the secret can be one of this service; nothing is sent.

        Raises:
            Misconfigured: it cannot be read, or is none. The message never holds it.
        """
        if self.secret is not None:
            self._check_secret()

    def check_permission(self, zone: str) -> None:
        """Have the service say whether it takes changes to ``zone`` from us at all.

        Changes nothing.

        Raises:
            ProviderError: as :meth:`apply` would, but never fenced.
        """
        with self._logged("check_permission", zone):
            self._check_permission(zone)

    def read_marker(self, zone: str) -> str | None:
        """Return the marker's text at the update server, None if there is no marker.

        Raises:
            ProviderError: one of its five kinds, but never fenced.
        """
        with self._logged("read_marker", zone) as line:
            marker = self._read_marker(zone)
            line.update(marker=marker)
        return marker

    def read_rrset(self, zone: str, name: str, rtype: str) -> RRsetChange | None:
        """Return an RRset as the service serves it, None if it serves none.

        For people; :meth:`probe` is exact: here a wildcard may answer.

        Raises:
            ProviderError: one of its five kinds, but never fenced.
        """
        if not self.can_expect:
            raise Misconfigured(f"the driver {self.driver!r} cannot read an RRset")
        with self._logged("read_rrset", zone, name=name, type=rtype):
            return self._read_rrset(zone, name, rtype)

    def read_zone(self, zone: str) -> Iterator[RRsetChange]:
        """Yield all that the service holds, as it comes; an RRset may come in parts.

        Records are in canonical form where dnsorch knows their type.

        Raises:
            ProviderError: one of its five kinds, but never fenced.
        """
        if not self.can_list:
            raise Misconfigured(f"the driver {self.driver!r} cannot list a zone")
        with self._logged("read_zone", zone) as line:
            parts = 0
            for rrset in self._read_zone(zone):
                parts += 1
                yield rrset
            line.update(parts=parts)

    def message_octets(self, zone: str, changes: Sequence[RRsetChange]) -> int:
        """Return an upper bound of the message's size, with fence and signature.

        Cheap: nothing is parsed or rendered. What it puts at ``max_message_octets``
        or less, :meth:`apply` does not refuse for its size.
        """
        return self._octets(zone, changes)

    @classmethod
    def writes(cls, rtype: str, options: Mapping[str, Any] | None = None) -> bool:
        """Say whether RRs of a type that dnsorch takes can be written.

        ``options`` are those of a backend, behind which a server may take less.
        """
        if rtype in cls.supported_types:
            return True
        return cls.writes_unknown_types and rtype.startswith("TYPE")

    @classmethod
    def checks_names(cls, options: Mapping[str, Any]) -> bool:
        """Say whether the server refuses A, AAAA and MX of what is no host name."""
        return False

    def _check_types(self, changes: Sequence[RRsetChange]) -> None:
        for change in changes:
            if not self.writes(change.type):
                raise PermanentRefusal(
                    f"the driver {self.driver!r} does not write {change.type} "
                    f"({change.name})"
                )

    @contextmanager
    def _logged(
        self, action: str, zone: str, **facts: object
    ) -> Iterator[dict[str, object]]:
        """Log what was done, how it ended and how long it took, on one line."""
        line: dict[str, object] = {"driver": self.driver, "zone": zone, **facts}
        started = time.perf_counter()
        try:
            yield line
        except ProviderError as error:
            line.update(kind=error.kind, rcode=error.rcode, error=error.detail)
            raise
        finally:
            line["seconds"] = round(time.perf_counter() - started, 6)
            if "kind" in line:
                log.warning(f"provider.{action}", **line)
            else:
                log.info(f"provider.{action}", **line)

    # --- hooks ---------------------------------------------------------------------

    @abstractmethod
    def _configure(self, options: Mapping[str, Any]) -> None:
        """Take the options, complete and of the declared types.

        Must raise Misconfigured, naming the option, for a value that cannot be.
        Must not touch the network or read the secret.
        """

    def _check_secret(self) -> None:
        """Raise Misconfigured if the secret has not the form that the service wants.

        May be left out. Must not touch the network.
        """

    @abstractmethod
    def _apply(
        self, zone: str, changes: Sequence[RRsetChange], terms: Terms
    ) -> tuple[str, int]:
        """Send one message; return the answer's rcode and the message's octets.

        Must keep the order of ``changes`` and put the fence, and what is expected, into
        the same atomic message. Must raise OutcomeUnknown whenever the message may have
        arrived and the answer does not tell. Must not send a second message that
        writes; may read first. Must raise MessageTooLarge above
        ``max_message_octets``. May raise Fenced only where the service checked the
        fence, or what was expected. Must not send after ``terms.until``, and should
        tell the service to take nothing later.
        """

    @abstractmethod
    def _probe(self, zone: str, images: Sequence[RRsetChange]) -> bool:
        """Return whether the service holds the images.

        Must be exact, and must not change anything. May be left raising where
        ``can_probe`` is False.
        """

    @abstractmethod
    def _check_permission(self, zone: str) -> None:
        """Return only if the service would take a change to the marker's name.

        Must not change what the zone holds.
        """

    @abstractmethod
    def _read_marker(self, zone: str) -> str | None:
        """Return the marker as the service holds it now.

        Must not take a wildcard's answer or a stale copy for it. May be left raising
        where ``can_fence`` is False.
        """

    def _read_rrset(self, zone: str, name: str, rtype: str) -> RRsetChange | None:
        """Return an RRset; change nothing. To be written where it can expect."""
        raise NotImplementedError

    def _read_zone(self, zone: str) -> Iterator[RRsetChange]:
        """Yield what the service holds, the marker and types of any kind included.

        Must not change anything. To be written where ``can_list`` is True.
        """
        raise NotImplementedError

    @abstractmethod
    def _octets(self, zone: str, changes: Sequence[RRsetChange]) -> int:
        """Return an upper bound of the message's size. Must not parse or render."""
