"""A development name server that speaks real DNS.

Authoritative only: queries over UDP and TCP, AXFR, UPDATE (RFC 2136) with all
prerequisites, TSIG (RFC 8945), kept on disk. No recursion, IXFR, NOTIFY, DNSSEC or
DNAME. It has no access control but TSIG on UPDATE: it is for loopback.

It does to wrong UPDATEs what BIND does, and on demand (:class:`Faults`) what a
broken server does, so that a client may be tried against both.
"""

from dnsorch.embedded.nameserver.faults import Faults
from dnsorch.embedded.nameserver.journal import AppliedUpdate, Record
from dnsorch.embedded.nameserver.running import Running, running
from dnsorch.embedded.nameserver.server import NameServer

__all__ = ["AppliedUpdate", "Faults", "NameServer", "Record", "Running", "running"]
