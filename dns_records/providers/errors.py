"""What can go wrong between dnsorch and an external DNS service.

Every failure is one of five kinds, and the kind alone says what the caller does:

* ``permanent``: the service refused this message. Bisect; a change set that is
  refused alone fails.
* ``retryable``: nothing was sent. Try again later.
* ``unknown``: the message may have been applied, or may still be. Only the marker
  or a probe tells. Send the same step again.
* ``fenced``: the marker is not the one that the message required.
* ``misconfigured``: no message of this lane can succeed until a person acts.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from dnsorch.exceptions import DnsorchError

Kind = Literal["permanent", "retryable", "unknown", "fenced", "misconfigured"]


class ProviderError(DnsorchError):
    """The external DNS service did not do what it was asked.

    ``rcode`` is the mnemonic of the answer (``REFUSED``), None without an answer.
    """

    code = "provider_error"
    status = 502
    kind: ClassVar[Kind]

    def __init__(self, detail: str | None = None, *, rcode: str | None = None) -> None:
        """Keep the answer's ``rcode`` beside the sentence for people."""
        super().__init__(detail)
        self.rcode = rcode


class PermanentRefusal(ProviderError):
    """The DNS service refused the change."""

    code = "refused_by_backend"
    kind = "permanent"


class MessageTooLarge(PermanentRefusal):
    """The changes do not fit into one message to the DNS service."""

    code = "message_too_large"


class Unreachable(ProviderError):
    """The DNS service could not be reached; nothing was sent."""

    code = "backend_unreachable"
    status = 503
    retryable = True
    kind = "retryable"


class TooLate(Unreachable):
    """The right to write was over before the message was sent; nothing was sent."""

    code = "too_late"


class OutcomeUnknown(ProviderError):
    """The change was sent, and nobody can say whether it was applied.

    ``answered`` is True when the service did answer, with something that decides
    nothing (SERVFAIL, an answer that fails verification).
    """

    code = "outcome_unknown"
    retryable = True
    kind = "unknown"

    def __init__(
        self,
        detail: str | None = None,
        *,
        rcode: str | None = None,
        answered: bool = False,
    ) -> None:
        """Keep whether there was an answer at all."""
        super().__init__(detail, rcode=rcode)
        self.answered = answered


class Fenced(ProviderError):
    """The marker in the zone is not the one that this change required.

    Nothing of *this* message was applied. An earlier copy of the same message may
    have been: then the marker is the one that it would have set.
    """

    code = "fenced"
    kind = "fenced"


class Misconfigured(ProviderError):
    """The backend is set up wrongly: its options, its key, its clock or its zone."""

    code = "backend_misconfigured"
    retryable = True
    kind = "misconfigured"


class KeyRefused(Misconfigured):
    """The DNS service does not know our key, or our signature is wrong."""

    code = "key_refused"


class SecretMissing(Misconfigured):
    """The backend's secret cannot be read from where its reference points."""

    code = "secret_unavailable"
