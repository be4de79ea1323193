"""What goes wrong with a service, in a sentence for people."""

from __future__ import annotations


class ServiceError(Exception):
    """A service could not be installed, started or stopped."""
