"""What the tests of the RFC 2136 provider share."""

from __future__ import annotations

import base64
from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset
import dns.tsig
import dns.update

from dns_records.providers.base import Fence, RRsetChange
from dns_records.providers.rfc2136 import Rfc2136Provider
from dns_records.tests.scripted import Scripted, answer_to
from dnsorch.embedded import nameserver

ZONE = "example.test."
WWW = RRsetChange("www.example.test.", "A", 300, ("192.0.2.1", "192.0.2.2"))
STEP = Fence("v1 3 41", "v1 3 42")
OLD, NEW = b"o" * 32, b"n" * 32


class Secret:
    """A secret whose cached value differs from what its source has by now."""

    def __init__(self, cached: bytes, source: bytes | None = None) -> None:
        self.cached, self.source = cached, source or cached
        self.reads: list[bool] = []

    def __call__(self, *, fresh: bool = False) -> str:
        self.reads.append(fresh)
        return base64.b64encode(self.source if fresh else self.cached).decode()


def key(secret: bytes, name: str = "dnsorch.") -> dns.tsig.Key:
    """Return a key of the default algorithm."""
    return dns.tsig.Key(name, secret)


def provider(
    server: Scripted | nameserver.Running, secret: Secret | None = None, **options: Any
) -> Rfc2136Provider:
    """Return a provider for a server, signing if there is a secret."""
    given = {"server": "127.0.0.1", "port": server.port, "timeout_s": 5.0, **options}
    if secret is not None:
        given["key_name"] = "dnsorch."
    return Rfc2136Provider(given, secret)


def sections(wire: bytes) -> list[list[str]]:
    """Return the four sections as lines (RFC 2136 section 2: class ANY, NONE)."""
    message = dns.message.from_wire(wire, keyring=False)
    assert isinstance(message, dns.update.UpdateMessage)
    return [
        [line for rrset in section for line in rrset.to_text().splitlines()]
        for section in message.sections
    ]


def answering(rcode: dns.rcode.Rcode, **options: Any) -> Any:
    """Return a script that always gives this rcode."""
    return lambda wire: answer_to(wire, rcode, **options)
