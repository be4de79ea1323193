"""The one tree of errors, readable as a glossary.

Every error that dnsorch raises on purpose subclasses :class:`DnsorchError`. The
class docstring is its message; ``code`` is what machines read, in a problem
document (RFC 9457), a request's error and a DLQ header; ``status`` is the HTTP
status an API gives for it; ``retryable`` says whether the same thing may succeed
later unchanged. Nobody reads ``str(exc)`` to decide.
"""

from __future__ import annotations

from dataclasses import dataclass
from inspect import getdoc
from typing import Any, ClassVar

from dnsorch import redaction

#: An error names so many of the things that are wrong, the first ones.
MAX_REASONS = 100


@dataclass(frozen=True)
class Reason:
    """One thing that is wrong with a body, and where.

    ``pointer`` is an RFC 6901 JSON pointer into the body (``""`` is the whole of
    it); ``code`` is stable; ``detail`` is a sentence that says what was expected.
    """

    pointer: str
    code: str
    detail: str

    def under(self, prefix: str) -> Reason:
        """Return the same reason with its pointer below ``prefix``."""
        return Reason(prefix + self.pointer, self.code, self.detail)

    def as_dict(self) -> dict[str, str]:
        """Return the JSON form of RFC 9457's ``errors`` extension."""
        return {"pointer": self.pointer, "code": self.code, "detail": self.detail}


class DnsorchError(Exception):
    """Something went wrong in dnsorch."""

    code: str = "error"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        detail: str | None = None,
        *,
        reasons: tuple[Reason, ...] = (),
        retry_after: float | None = None,
        extra: dict[str, Any] | None = None,
        code: str | None = None,
    ) -> None:
        """Keep what a caller needs: ``detail`` is for people, the rest is data.

        No secret that this process knows is left in ``detail``, which others show.
        ``retry_after`` is in seconds; ``extra`` holds further members of the
        problem document; ``code`` is one that says more than the class's own.
        """
        if code is not None:
            self.code = code
        self.detail = redaction.without_secrets(detail or self.title)
        # A small body can be wrong in a hundred thousand places, and a request keeps
        # its error for good.
        self.reasons = reasons[:MAX_REASONS]
        self.retry_after = retry_after
        self.extra = extra or {}
        super().__init__(self.detail)

    @property
    def title(self) -> str:
        """The first line of the class docstring."""
        return (getdoc(type(self)) or "").partition("\n")[0]

    def as_error(self) -> dict[str, Any]:
        """Return the form in which a request keeps why it failed."""
        error: dict[str, Any] = {"code": self.code, "detail": self.detail}
        if self.reasons:
            error["errors"] = [reason.as_dict() for reason in self.reasons]
        return error


class Invalid(DnsorchError):
    """The request is wrong by itself."""

    code = "invalid"
    status = 400


class NameNotAbsolute(Invalid):
    """A name inside rdata does not end in a dot."""

    code = "name_not_absolute"


class ReservedName(Invalid):
    """The name is reserved for dnsorch itself."""

    code = "reserved_name"


class ChangesetTooLarge(Invalid):
    """The change set does not fit into one DNS UPDATE message (65,535 octets)."""

    code = "changeset_too_large"


class Forbidden(DnsorchError):
    """The token may not do this."""

    code = "forbidden"
    status = 403


class NotFound(DnsorchError):
    """There is no such object, or it is not yours to see."""

    code = "not_found"
    status = 404


class ZoneNotFound(NotFound):
    """No zone of that name is registered, or it is not yours to see."""

    code = "zone_not_found"


class Conflict(DnsorchError):
    """The request conflicts with the wanted state."""

    code = "conflict"
    status = 409


class RecordExists(Conflict):
    """A record with this name, type and value is there already."""

    code = "record_exists"


class RRsetExists(Conflict):
    """The RRset that was to be created is there already."""

    code = "rrset_exists"


class RRsetNotFound(Conflict):
    """The RRset that was to be changed is not there."""

    code = "rrset_not_found"


class CNAMEConflict(Conflict):
    """A CNAME excludes every other type at its name (RFC 1034 section 3.6.2)."""

    code = "cname_conflict"


class IllegalTransition(Conflict):
    """The state of the request does not allow this."""

    code = "illegal_transition"


class IdempotencyInProgress(Conflict):
    """The first request with this idempotency key is still running."""

    code = "idempotency_in_progress"
    retryable = True


class PreconditionFailed(DnsorchError):
    """The current state is not the one that was expected (RFC 9110 section 13)."""

    code = "precondition_failed"
    status = 412


class IdempotencyKeyReused(DnsorchError):
    """This idempotency key was used for another operation."""

    code = "idempotency_key_reused"
    status = 422


class DatabaseBusy(DnsorchError):
    """The database is busy."""

    code = "database_busy"
    status = 503
    retryable = True


class TooManyWaiting(DnsorchError):
    """So many requests wait for something else that this one has no thread."""

    code = "too_many_waiting"
    status = 503
    retryable = True


class SecretUnavailable(DnsorchError):
    """A secret could not be read from where its reference points."""

    code = "secret_unavailable"
    status = 503
    retryable = True
