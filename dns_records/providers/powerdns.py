"""The PowerDNS HTTP API, for servers that take no DNS UPDATE.

RFC 2136 is the better way to a PowerDNS that has ``dnsupdate`` on: there the server
checks the marker. Its API has no compare-and-set, so a zone behind this driver has no
fence: a worker that slept past its lease may still write. One PATCH is one transaction
of the server's database, all of it or nothing (``pdns/ws-auth.cc``).

Secondaries and verification follow the serial, which a PATCH moves only in a zone with
``SOA-EDIT-API`` set. Zones that the API created have it; others are refused here until
they do: ``pdnsutil set-meta ZONE SOA-EDIT-API DEFAULT``.

The protocol: https://doc.powerdns.com/authoritative/http-api/zone.html
"""

from __future__ import annotations

import json
import os
import re
import ssl
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import Any, ClassVar, NamedTuple
from urllib.parse import quote

import dns.name
import httpx

from dns_records.providers import updates
from dns_records.providers.base import Provider, RRsetChange, Terms
from dns_records.providers.errors import (
    KeyRefused,
    MessageTooLarge,
    Misconfigured,
    OutcomeUnknown,
    PermanentRefusal,
    ProviderError,
    SecretMissing,
    Unreachable,
)
from dns_records.providers.options import Option
from dns_records.providers.powerdns_content import content
from dns_records.record_types import RECORD_TYPES
from dnsorch.exceptions import SecretUnavailable

# What the API says to a message that it read and will never take.
REFUSALS = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.CONFLICT,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)
KEY_REFUSALS = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
# In zones of these kinds the next transfer undoes what the API writes.
COPIES = frozenset({"Slave", "Secondary", "Consumer"})

# Octets around one change and one record in the JSON, more than they ever take.
CHANGE, RECORD = 100, 40
# Characters of the server's own words that go into an error.
MAX_WORDS = 300


class _Settings(NamedTuple):
    """What a client is made of; timeouts in seconds."""

    url: str
    ca_file: str
    connect_timeout: float
    timeout: float


class PowerDnsProvider(Provider):
    """Speaks to the HTTP API of one PowerDNS Authoritative Server."""

    driver = "powerdns"
    options: ClassVar[Mapping[str, Option]] = {
        "url": Option(str, "where the API is, such as https://ns1.example.net:8081"),
        "server_id": Option(str, "its server_id", "localhost"),
        "ca_file": Option(str, "PEM file of CAs; empty takes the public ones", ""),
        "timeout_s": Option(float, "seconds for sending, and for the answer", 5.0),
        "connect_timeout_s": Option(float, "seconds for connecting", 2.0),
    }
    # It keeps these and serves its own (unless direct-dnskey is set).
    supported_types = frozenset(RECORD_TYPES) - {"CDNSKEY", "CDS", "DNSKEY"}
    writes_unknown_types = True
    # PowerDNS takes 2 MB (webserver-max-bodysize) and answers 400 to more.
    max_message_octets = 1_000_000
    can_probe = True
    can_fence = False
    can_list = True

    def _configure(self, options: Mapping[str, Any]) -> None:
        _check(options)
        if self.secret is None:
            raise Misconfigured("the driver 'powerdns' needs a secret: the API key")
        server = quote(options["server_id"], safe="")
        self._settings = _Settings(
            f"{options['url'].rstrip('/')}/api/v1/servers/{server}/zones/",
            options["ca_file"],
            options["connect_timeout_s"],
            options["timeout_s"],
        )
        self._zones_checked: set[str] = set()

    # --- hooks ---------------------------------------------------------------------

    def _check_secret(self) -> None:
        self._key()

    def _apply(
        self, zone: str, changes: Sequence[RRsetChange], terms: Terms
    ) -> tuple[str, int]:
        body = json.dumps(
            {"rrsets": [_patch(change) for change in changes]}, separators=(",", ":")
        ).encode()
        if len(body) > self.max_message_octets:
            raise MessageTooLarge()
        if zone not in self._zones_checked:
            self._check_permission(zone)
        _raise_unless_ok(self._request("PATCH", zone, content=body))
        return "NOERROR", len(body)

    def _probe(self, zone: str, images: Sequence[RRsetChange]) -> bool:
        held: dict[str, list[dict[str, Any]]] = {}
        for image in images:
            if image.name not in held:
                held[image.name] = self._rrsets(zone, image.name)
            if not _holds(held[image.name], image):
                return False
        return True

    def _check_permission(self, zone: str) -> None:
        # A key of the API opens everything. What is left to ask is the zone.
        found = self._get(zone, rrsets="false")
        if found.get("kind") in COPIES:
            raise Misconfigured(f"{zone} is a secondary zone of this server")
        if not found.get("soa_edit_api"):
            raise Misconfigured(
                f"{zone} has no SOA-EDIT-API: its serial would not move, and no "
                "secondary would see a change"
            )
        self._zones_checked.add(zone)

    def _read_marker(self, zone: str) -> str | None:
        raise Misconfigured("the PowerDNS API keeps no marker")

    def _read_zone(self, zone: str) -> Iterator[RRsetChange]:
        for rrset in self._get(zone)["rrsets"]:
            texts = [
                each["content"] for each in rrset["records"] if not each["disabled"]
            ]
            if texts:
                yield RRsetChange(
                    dns.name.from_text(rrset["name"]).canonicalize().to_text(),
                    rrset["type"],
                    rrset["ttl"],
                    updates.canonical(rrset["type"], texts),
                )

    def _octets(self, zone: str, changes: Sequence[RRsetChange]) -> int:
        total = CHANGE
        for change in changes:
            # JSON escapes quotation marks and backslashes.
            total += CHANGE + 2 * len(change.name)
            total += sum(RECORD + 2 * len(text) for text in change.records)
        return total

    # --- messages ------------------------------------------------------------------

    def _rrsets(self, zone: str, name: str) -> list[dict[str, Any]]:
        """Return the RRsets that the server holds at a name."""
        owner = dns.name.from_text(name)
        found = self._get(zone, rrset_name=name)
        # An older server ignores rrset_name and sends the whole zone.
        return [
            rrset
            for rrset in found["rrsets"]
            if dns.name.from_text(rrset["name"]) == owner
        ]

    def _get(self, zone: str, **params: str) -> dict[str, Any]:
        """Ask without changing anything: no outcome of it is unknown."""
        try:
            response = self._request("GET", zone, params=params)
            _raise_unless_ok(response)
        except OutcomeUnknown as error:
            raise Unreachable(error.detail, rcode=error.rcode) from error
        try:
            found = response.json()
        except ValueError as error:
            raise Misconfigured(
                "what answers at the URL is no PowerDNS API: no JSON"
            ) from error
        if not isinstance(found, dict):
            raise Misconfigured("what answers at the URL is no PowerDNS API")
        return found

    def _request(self, method: str, zone: str, **content: Any) -> httpx.Response:
        """Send; if the server turns the key away, look for a new one.

        A message that was turned away was not processed, so it may be sent again.
        """
        key = self._key()
        response = self._send(method, zone, key, **content)
        if response.status_code in KEY_REFUSALS:
            renewed = self._key(fresh=True)
            if renewed != key:
                response = self._send(method, zone, renewed, **content)
        return response

    def _send(self, method: str, zone: str, key: str, **content: Any) -> httpx.Response:
        client = _client(os.getpid(), self._settings)
        headers = {"X-API-Key": key, "Content-Type": "application/json"}
        try:
            return client.request(method, _zone_id(zone), headers=headers, **content)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            if _is_certificate(error):
                raise Misconfigured(f"the API's certificate: {error}") from error
            raise Unreachable(f"the API at {self._settings.url}: {error}") from error
        except httpx.TimeoutException as error:
            raise OutcomeUnknown(
                f"the API did not answer within {self._settings.timeout:g} s"
            ) from error
        except httpx.RequestError as error:
            raise OutcomeUnknown(f"the API broke off: {error}") from error

    def _key(self, *, fresh: bool = False) -> str:
        assert self.secret is not None
        try:
            key = self.secret(fresh=fresh).strip()
        except SecretUnavailable as error:
            raise SecretMissing(error.detail) from error
        # An HTTP library would quote it in its complaint.
        if not (key and key.isascii() and key.isprintable()):
            raise Misconfigured("the API key is empty or not printable ASCII")
        return key


@lru_cache(maxsize=32)
def _client(pid: int, settings: _Settings) -> httpx.Client:
    """Return the client for a process, without the environment's proxies and CAs.

    No connection is kept: the server closes each after its answer.
    """
    try:
        context = ssl.create_default_context(cafile=settings.ca_file or None)
    except OSError as error:
        raise Misconfigured(f"option 'ca_file': {error}") from error
    return httpx.Client(
        base_url=settings.url,
        verify=context,
        timeout=httpx.Timeout(settings.timeout, connect=settings.connect_timeout),
        limits=httpx.Limits(max_keepalive_connections=0),
        trust_env=False,
    )


def _check(options: Mapping[str, Any]) -> None:
    try:
        url = httpx.URL(options["url"])
    except httpx.InvalidURL as error:
        raise Misconfigured(f"option 'url': {error}") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise Misconfigured("option 'url' must be http(s)://host:port")
    if url.userinfo or url.query or url.fragment:
        raise Misconfigured("option 'url' must not have a user, a query or a fragment")
    if not options["server_id"]:
        raise Misconfigured("option 'server_id' is empty")
    for name in ("timeout_s", "connect_timeout_s"):
        if not 0 < options[name] <= 60:
            raise Misconfigured(f"option {name!r} must be above 0 and at most 60")


def _zone_id(zone: str) -> str:
    """Return a zone's id: its name, with most characters as ``=XX``."""
    return re.sub(r"[^a-z0-9.-]", lambda found: f"={ord(found[0]):02X}", zone)


def _patch(change: RRsetChange) -> dict[str, Any]:
    """Return an element of a PATCH: replaces an RRset, or deletes it."""
    rrset: dict[str, Any] = {"name": change.name, "type": change.type}
    if not change.records:
        return rrset | {"changetype": "DELETE"}
    return rrset | {
        "changetype": "REPLACE",
        "ttl": change.ttl,
        "records": [
            {"content": content(change.type, text), "disabled": False}
            for text in change.records
        ],
    }


def _holds(held: Sequence[Mapping[str, Any]], image: RRsetChange) -> bool:
    """Say whether the RRsets at a name are as ``image`` says for its type."""
    wanted = {updates.rdata(image.type, text) for text in image.records}
    try:
        served = {
            updates.rdata(image.type, record["content"])
            for rrset in held
            if rrset["type"] == image.type
            for record in rrset["records"]
            if not record["disabled"]
        }
    except PermanentRefusal:
        return False  # What others wrote need not be rdata.
    return served == wanted


def _raise_unless_ok(response: httpx.Response) -> None:
    """Turn an HTTP status into a kind of error."""
    if not response.is_success:
        raise _error_of(response)


def _error_of(response: httpx.Response) -> ProviderError:
    status = response.status_code
    detail = f"the API answered {status}: {_words(response)}"
    if status in REFUSALS:
        return PermanentRefusal(detail, rcode="REFUSED")
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return MessageTooLarge(detail, rcode="REFUSED")
    if status in KEY_REFUSALS:
        return KeyRefused(detail, rcode="NOTAUTH")
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Unreachable(detail, rcode="REFUSED")
    if response.is_server_error:
        return OutcomeUnknown(detail, rcode="SERVFAIL", answered=True)
    # No such zone or server, another method, another place: not what we spoke to.
    return Misconfigured(detail, rcode="NOTAUTH")


def _words(response: httpx.Response) -> str:
    """Return what the server says is wrong, in its own words where it has any."""
    try:
        body = response.json()
    except ValueError:
        return response.reason_phrase
    said = body.get("error") if isinstance(body, dict) else None
    return str(said)[:MAX_WORDS] if said else response.reason_phrase


def _is_certificate(error: BaseException | None) -> bool:
    while error is not None and not isinstance(error, ssl.SSLCertVerificationError):
        error = error.__cause__ or error.__context__
    return error is not None
