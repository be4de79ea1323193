"""What can go wrong in the development name server, as one tree."""

from __future__ import annotations

import dns.rcode

from dnsorch.exceptions import DnsorchError


class NameServerError(DnsorchError):
    """The development name server cannot do this."""

    code = "nameserver_error"


class AddressTaken(NameServerError):
    """Something else listens on this address already."""

    code = "nameserver_address_taken"


class DataDirectoryTaken(NameServerError):
    """Another name server uses this data directory."""

    code = "nameserver_data_directory_taken"


class JournalCorrupt(NameServerError):
    """A journal entry before the last one does not match its checksum."""

    code = "nameserver_journal_corrupt"


class JournalMismatch(NameServerError):
    """The journal does not continue the zone file beside it."""

    code = "nameserver_journal_mismatch"


class BadKeyText(NameServerError):
    """A TSIG key is neither a key clause nor NAME:ALGORITHM:BASE64."""

    code = "nameserver_bad_key"


class UpdateRefused(NameServerError):
    """An UPDATE ends with another rcode than NOERROR and changes nothing."""

    code = "nameserver_update_refused"

    def __init__(self, rcode: dns.rcode.Rcode, why: str) -> None:
        """Keep the rcode to answer with, and why for the log."""
        super().__init__(why)
        self.rcode = rcode
