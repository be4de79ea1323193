"""What DNS servers answered, as a proxy kept it: messages over TCP."""

from __future__ import annotations

import dns.message
import dns.rcode

# The marker is not as required. In a zone where other hands were seen, images are
# required beside it, and a server may name what it finds of those first.
PREREQUISITE_FAILED = {"NXRRSET", "YXRRSET"}


def rcode(answer: bytes) -> str:
    """Return the rcode of a DNS message over TCP."""
    # Signed for the first sender: that one knows the request's MAC, we do not.
    message = dns.message.from_wire(answer[2:], keyring=False)
    return dns.rcode.to_text(message.rcode())
