"""What can go wrong while the embedded stack starts or runs."""

from __future__ import annotations

from dnsorch.exceptions import DnsorchError


class StackError(DnsorchError):
    """The embedded stack cannot do this."""

    code = "stack_error"


class PortTaken(StackError):
    """Something else listens on a port of the embedded stack."""

    code = "stack_port_taken"


class AlreadyRunning(StackError):
    """Another embedded stack uses this data directory."""

    code = "stack_already_running"


class BrokerUnavailable(StackError):
    """There is no Valkey server for this machine."""

    code = "stack_broker_unavailable"


class KeyFileUnreadable(StackError):
    """The file of the name servers' TSIG key cannot be read."""

    code = "stack_key_file_unreadable"


class NotReady(StackError):
    """A part of the stack was not ready in time."""

    code = "stack_not_ready"


class TourEnded(StackError):
    """A request could not be shown: it did not get through its door."""

    code = "stack_tour_ended"
