"""DNS UPDATE (RFC 2136), signed by TSIG (RFC 8945): BIND, PowerDNS, Knot, Windows DNS.

One UPDATE per :meth:`~dns_records.providers.base.Provider.apply`, over TCP only: a
datagram may arrive twice or late with nobody knowing. The fence is the marker RR of
RFC 2136 section 5.7, which the server checks together with the update (section 3.7).
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdatatype
import dns.rrset
import dns.tsig
import dns.update

from dns_records import nameservers
from dns_records.providers import axfr, tsig, updates
from dns_records.providers.base import (
    Provider,
    RRsetChange,
    Terms,
    marker_name,
)
from dns_records.providers.errors import (
    Fenced,
    KeyRefused,
    MessageTooLarge,
    Misconfigured,
    OutcomeUnknown,
    PermanentRefusal,
    ProviderError,
    SecretMissing,
    Unreachable,
)
from dns_records.providers.exchange import Route, exchange
from dns_records.providers.options import Option
from dns_records.record_types import RECORD_TYPES
from dns_records.tcp import Deadline, Endpoint
from dnsorch import failpoints
from dnsorch.exceptions import SecretUnavailable

# What a failed prerequisite is answered with (RFC 2136 section 3.2.5).
PREREQUISITE_FAILED = frozenset(
    {dns.rcode.YXDOMAIN, dns.rcode.YXRRSET, dns.rcode.NXRRSET, dns.rcode.NXDOMAIN}
)
# The whole message, or one change in it.
REFUSALS = frozenset({dns.rcode.FORMERR, dns.rcode.REFUSED, dns.rcode.NOTZONE})
# Not our zone, not our key, no UPDATE at all: no message will do.
MISCONFIGURED = frozenset({dns.rcode.NOTAUTH, dns.rcode.NOTIMP})

# Seconds between two looks at a marker that is not served yet.
MARKER_INTERVAL_S = 0.05


class Rfc2136Provider(Provider):
    """Speaks DNS UPDATE to exactly one update server."""

    driver = "rfc2136"
    options: ClassVar[Mapping[str, Option]] = {
        "server": Option(str, "host name or IP address of the update server"),
        "port": Option(int, "its TCP port", 53),
        "key_name": Option(str, "name of the TSIG key; empty sends unsigned", ""),
        "key_algorithm": Option(str, "algorithm of the TSIG key", "hmac-sha256"),
        "timeout_s": Option(float, "seconds for sending and the answer", 5.0),
        "connect_timeout_s": Option(float, "seconds for connecting", 2.0),
        "source": Option(str, "our IP address; empty lets the system choose", ""),
        "check_names": Option(
            bool,
            "whether it refuses A, AAAA and MX records of names that are no host "
            "names, as BIND does by default (check-names); PowerDNS does not",
            True,
        ),
        "unwritable_types": Option(
            list,
            "types that it does not take, or drops without a word: "
            '["CDNSKEY", "CDS", "DNSKEY"] for PowerDNS',
            [],
        ),
    }
    supported_types = frozenset(RECORD_TYPES)
    writes_unknown_types = True
    max_message_octets = 65_535
    can_probe = True
    can_fence = True
    can_expect = True
    can_list = True
    lists_by = "transfer"

    @classmethod
    def writes(cls, rtype: str, options: Mapping[str, Any] | None = None) -> bool:
        """Say whether the server of a backend takes RRs of a type."""
        taken = rtype not in (options or {}).get("unwritable_types", ())
        return taken and super().writes(rtype, options)

    @classmethod
    def checks_names(cls, options: Mapping[str, Any]) -> bool:
        """Say whether the server refuses A, AAAA and MX of what is no host name."""
        return bool(options.get("check_names", cls.options["check_names"].default))

    def _configure(self, options: Mapping[str, Any]) -> None:
        _check(options)
        self._route = Route(
            Endpoint(options["server"], options["port"]),
            options["source"],
            options["connect_timeout_s"],
            options["timeout_s"],
        )
        self._algorithm: str = options["key_algorithm"]
        self._key_name: dns.name.Name | None = None
        if options["key_name"]:
            try:
                self._key_name = dns.name.from_text(options["key_name"])
            except dns.exception.DNSException as error:
                raise Misconfigured(f"option 'key_name': {error}") from error
            if self.secret is None:
                raise Misconfigured("option 'key_name' is set, but there is no secret")
        elif self.secret is not None:
            raise Misconfigured("there is a secret, but option 'key_name' is empty")

    # --- hooks ---------------------------------------------------------------------

    def _check_secret(self) -> None:
        self._key()

    def _apply(
        self, zone: str, changes: Sequence[RRsetChange], terms: Terms
    ) -> tuple[str, int]:
        message = updates.new(zone)
        if terms.fence is not None:
            updates.require_and_set_marker(message, zone, terms.fence)
        updates.require(message, terms.expected)
        updates.write(message, changes, self._old_apex_ns(zone, changes))
        answer = self._exchange(message, terms.until)
        conditional = terms.fence is not None or terms.expected
        if conditional and answer.rcode() in PREREQUISITE_FAILED:
            raise Fenced(rcode=dns.rcode.to_text(answer.rcode()))
        _raise_unless_noerror(answer)
        return dns.rcode.to_text(answer.rcode()), len(message.wire or b"")

    def _probe(self, zone: str, images: Sequence[RRsetChange]) -> bool:
        message = updates.new(zone)
        updates.require(message, images)
        return self._holds(message)

    def _check_permission(self, zone: str) -> None:
        message = updates.new(zone)
        updates.delete_what_is_not_there(message, zone)
        _raise_unless_noerror(self._ask(message))

    def _read_marker(self, zone: str) -> str | None:
        # A query alone may be answered by a wildcard, or by the signed copy of a
        # zone, which is behind the one that updates go to. A prerequisite is exact,
        # but only says yes or no.
        deadline = Deadline(self._route.timeout)
        name = dns.name.from_text(marker_name(zone))
        while True:
            found = self._query(zone, name, dns.rdatatype.TXT)
            if found is not None:
                present = updates.new(zone)
                present.present(name, *found)
                if self._holds(present):
                    return _marker_text(found)
            absent = updates.new(zone)
            absent.absent(name, dns.rdatatype.TXT)
            if self._holds(absent):
                return None
            try:
                time.sleep(min(MARKER_INTERVAL_S, deadline.left()))
            except TimeoutError:
                raise Unreachable(
                    f"the server's answers about {marker_name(zone)} contradict "
                    f"what it holds"
                ) from None

    def _octets(self, zone: str, changes: Sequence[RRsetChange]) -> int:
        return updates.octets(zone, changes)

    def _read_rrset(self, zone: str, name: str, rtype: str) -> RRsetChange | None:
        rdtype = dns.rdatatype.from_text(rtype)
        found = self._query(zone, dns.name.from_text(name), rdtype)
        if found is None:
            return None
        records = nameservers.canonical_records(found)
        return RRsetChange(name, rtype, found.ttl, records)

    def _read_zone(self, zone: str) -> Iterator[RRsetChange]:
        return axfr.read(self._route, zone, self._key())

    # --- messages ------------------------------------------------------------------

    def _old_apex_ns(
        self, zone: str, changes: Sequence[RRsetChange]
    ) -> Sequence[dns.rdata.Rdata]:
        if not any(
            change.type == "NS" and change.name == zone and change.records
            for change in changes
        ):
            return ()
        return list(self._query(zone, dns.name.from_text(zone), dns.rdatatype.NS) or ())

    def _holds(self, message: dns.update.UpdateMessage) -> bool:
        answer = self._ask(message)
        if answer.rcode() in PREREQUISITE_FAILED:
            return False
        _raise_unless_noerror(answer)
        return True

    def _query(
        self, zone: str, name: dns.name.Name, rdtype: dns.rdatatype.RdataType
    ) -> dns.rrset.RRset | None:
        """Return an RRset as the update server serves it; None if it serves none."""
        question = dns.message.make_query(name, rdtype, use_edns=False, flags=0)
        answer = self._ask(question)
        rcode = dns.rcode.to_text(answer.rcode())
        if answer.rcode() == dns.rcode.SERVFAIL:
            raise Unreachable("the server cannot answer", rcode=rcode)
        if answer.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            raise Misconfigured("the server refuses to answer", rcode=rcode)
        if not answer.flags & dns.flags.AA:
            raise Misconfigured(f"the server has no authority over {zone}")
        return answer.get_rrset(answer.answer, name, dns.rdataclass.IN, rdtype)

    def _ask(self, message: dns.message.Message) -> dns.message.Message:
        """Exchange a message that changes nothing: no outcome of it is unknown."""
        try:
            return self._exchange(message)
        except OutcomeUnknown as error:
            raise Unreachable(error.detail, rcode=error.rcode) from error

    def _exchange(
        self, message: dns.message.Message, until: Deadline | None = None
    ) -> dns.message.Message:
        """Sign, send, verify; if the server turns the key away, look for a new one.

        A message that was turned away was not processed (RFC 8945 section 5.2), so it
        may be sent again.
        """
        key = self._key()
        try:
            return self._exchange_once(message, key, until)
        except KeyRefused:
            renewed = self._key(fresh=True)
            if renewed is None or renewed == key:
                raise
            return self._exchange_once(message, renewed, until)

    def _exchange_once(
        self,
        message: dns.message.Message,
        key: dns.tsig.Key | None,
        until: Deadline | None = None,
    ) -> dns.message.Message:
        def render() -> bytes:
            fudge = tsig.fudge(until)
            if key is not None:
                message.use_tsig(key, fudge=fudge)
            try:
                wire = message.to_wire(max_size=self.max_message_octets)
            except dns.exception.TooBig:
                raise MessageTooLarge() from None
            if until is not None:
                failpoints.hit("after_sign")
            return wire

        return tsig.verified(exchange(self._route, render), message, key)

    def _key(self, *, fresh: bool = False) -> dns.tsig.Key | None:
        if self._key_name is None or self.secret is None:
            return None
        try:
            secret = self.secret(fresh=fresh)
        except SecretUnavailable as error:
            raise SecretMissing(error.detail) from error
        return tsig.key(self._key_name, self._algorithm, secret)


def _check(options: Mapping[str, Any]) -> None:
    if not options["server"]:
        raise Misconfigured("option 'server' is empty")
    if not 0 < options["port"] < 65_536:
        raise Misconfigured("option 'port' must be between 1 and 65535")
    if options["key_algorithm"] not in tsig.ALGORITHMS:
        known = ", ".join(sorted(tsig.ALGORITHMS))
        raise Misconfigured(f"option 'key_algorithm' must be one of {known}")
    for name in ("timeout_s", "connect_timeout_s"):
        if not 0 < options[name] <= 60:
            raise Misconfigured(f"option {name!r} must be above 0 and at most 60")
    if options["source"]:
        try:
            ipaddress.ip_address(options["source"])
        except ValueError as error:
            raise Misconfigured(f"option 'source': {error}") from error
    for given in options["unwritable_types"]:
        if given not in RECORD_TYPES:
            raise Misconfigured(f"option 'unwritable_types': no type {given!r}")


def _raise_unless_noerror(answer: dns.message.Message) -> None:
    """Turn the rcode of an UPDATE into a kind of error."""
    if answer.rcode() == dns.rcode.NOERROR:
        return
    raise _error_of(answer.rcode())


def _error_of(code: dns.rcode.Rcode) -> ProviderError:
    rcode = dns.rcode.to_text(code)
    if code in REFUSALS or code in PREREQUISITE_FAILED:
        return PermanentRefusal(f"the server answered {rcode}", rcode=rcode)
    if code in MISCONFIGURED:
        return Misconfigured(f"the server answered {rcode}", rcode=rcode)
    return OutcomeUnknown(f"the server answered {rcode}", rcode=rcode, answered=True)


def _marker_text(found: dns.rrset.RRset) -> str:
    if len(found) > 1:
        raise Misconfigured(
            f"{found.name} has {len(found)} TXT records: the server does not apply "
            "updates one after the other"
        )
    return b"".join(found[0].strings).decode("ascii", "backslashreplace")
