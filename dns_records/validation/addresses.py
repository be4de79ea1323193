"""Address ranges that no client on another host can reach, each with the reason.

Private addresses are missing because internal zones live on them, and the ranges for
documentation because every example is written with them.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache

_UNREACHABLE = {
    ipaddress.ip_network(network): reason
    for network, reason in (
        ("0.0.0.0/8", "an address of 'this network' (RFC 791)"),
        ("127.0.0.0/8", "a loopback address (RFC 1122)"),
        ("169.254.0.0/16", "a link-local address (RFC 3927)"),
        ("224.0.0.0/4", "a multicast address (RFC 5771)"),
        ("255.255.255.255/32", "the broadcast address (RFC 919)"),
        ("240.0.0.0/4", "a reserved address (RFC 1112)"),
        ("::/128", "the unspecified address (RFC 4291)"),
        ("::1/128", "the loopback address (RFC 4291)"),
        ("::ffff:0:0/96", "an IPv4-mapped address (RFC 4291)"),
        ("100::/64", "an address that is discarded (RFC 6666)"),
        ("fe80::/10", "a link-local address (RFC 4291)"),
        ("ff00::/8", "a multicast address (RFC 4291)"),
    )
}


@lru_cache(maxsize=4096)
def unreachable(text: str) -> str | None:
    """Return why other hosts cannot reach the address, None if they may."""
    address = ipaddress.ip_address(text)
    for network, reason in _UNREACHABLE.items():
        if address.version == network.version and address in network:
            return reason
    return None
