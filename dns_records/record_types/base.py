"""What a row of the table of record types says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dnsorch.exceptions import Invalid


class UnsupportedType(Invalid):
    """dnsorch does not take records of this type."""

    code = "unsupported_type"


@dataclass(frozen=True, kw_only=True)
class RecordType:
    """What the rules know about one record type.

    ``number`` is its code (IANA), ``reason`` why one publishes it, ``reference`` where
    it is defined; ``expected`` and ``example`` show a right value in an error.
    ``hosts``, ``domains`` and ``mailboxes`` are the fields of dnspython's rdata class
    that hold the name of a host, any name, or a mailbox written as a name (RFC 1035
    section 8); ``null_target`` allows the root there ("there is none").

    ``strings`` marks rdata made of character strings, as TXT is; ``binary`` says how
    its last field is written. ``generic`` marks a type without a name, whose rdata is
    opaque (RFC 3597). ``obsolete`` says why it is, and what to use instead.
    """

    name: str
    number: int
    reason: str
    reference: str
    expected: str
    example: str
    singleton: bool = False  # at most one record in the RRset
    at_apex: bool = True
    below_apex: bool = True
    wildcard: bool = True  # the owner name may be a wildcard
    exclusive: bool = False  # no other type at the same name
    at_delegation: bool = False  # answered from this zone where NS delegates the name
    host_owner: bool = False  # the owner is a host, so its name should be a host name
    hosts: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    mailboxes: tuple[str, ...] = ()
    null_target: bool = False
    strings: bool = False
    parameters: bool = False  # ends in the key=value pairs of RFC 9460
    binary: Literal["", "hex", "base64"] = ""
    generic: bool = False
    obsolete: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The rdata fields that hold a domain name of any kind."""
        return self.hosts + self.domains + self.mailboxes
