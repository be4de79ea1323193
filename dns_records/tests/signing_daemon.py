"""A BIND that signs its zone: the only one that takes keys (RFC 8901).

BIND 9.18 answers SERVFAIL to a zone key for which it has no private key beside one
that it has, and REFUSED to CDS and CDNSKEY that belong to no key of the zone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import dns.dnssec
import dns.name
import dns.rdata
import dns.rdtypes.ANY.DNSKEY

from deploy.services import bind
from dns_records.providers.base import RRsetChange
from dns_records.tests.provider_daemons import Bind
from dns_records.tests.provider_services import ZONE, rr
from dnsorch.tests.e2e.harness import until

#: Types that BIND takes only beside keys of the zone.
OF_KEYS = ("DNSKEY", "CDS", "CDNSKEY")
#: What asks the parent to take its DS records back (RFC 8078 section 4): it is alone.
DELETES = {"CDS": "0 0 0 00", "CDNSKEY": "0 3 0 AA=="}

_KEYS = {
    8: "257 3 8 AwEAAcpQSl0=",
    13: "257 3 13 mdsswUyr3DPW132mOi8V9xESWE8jTo0dxCjjnopKl+GqJxpVXckHAeF+KkxLbxIL"
    "fDLUT0rAK9iUzy1L53eKGQ==",
    15: "257 3 15 l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4=",
}


class SigningPrimary(bind.Primary):
    """The primary, with a zone that it signs with keys of its own."""

    def configuration(self) -> Mapping[str, str]:
        """Return its configuration."""
        found = super().configuration()
        signed = "type primary; dnssec-policy default; inline-signing no;"
        return {
            **found,
            "named.conf": found["named.conf"].replace("type primary;", signed),
        }


class SigningBind(Bind):
    """That server under test."""

    def wipe(self) -> None:
        """Wait until it has keys instead: nobody else has the zone."""
        found = until(lambda: self.rrset(ZONE, "DNSKEY"), "the zone is signed")
        self.own_keys = found[1]

    def messages(self, rtype: str, texts: Sequence[str]) -> list[list[RRsetChange]]:
        """Return what to write to have it serve these records of a type of keys."""
        alone = DELETES.get(rtype)
        together = [text for text in texts if text != alone]
        keys = [*self.own_keys]
        if rtype == "DNSKEY":
            together += keys
        elif rtype == "CDNSKEY":
            keys += together
        else:
            numbers = {int(text.split()[1]) for text in together}
            keys += [_KEYS[number] for number in sorted(numbers)]
            together += [_ds(_KEYS[number]) for number in sorted(numbers)]
        messages = [[rr("@", rtype, *dict.fromkeys(together))]]
        if rtype != "DNSKEY":
            messages[0].insert(0, rr("@", "DNSKEY", *dict.fromkeys(keys)))
        if alone is not None and alone in texts:
            messages.append([rr("@", rtype, alone)])
        return messages


def _ds(text: str) -> str:
    key = dns.rdata.from_text("IN", "DNSKEY", text)
    assert isinstance(key, dns.rdtypes.ANY.DNSKEY.DNSKEY)
    return dns.dnssec.make_ds(dns.name.from_text(ZONE), key, "SHA256").to_text()
