"""Drafts: operations as clients wrote them, and how they become canonical.

Pure: text in, :class:`~dns_records.plan.Operation` out, every mistake with its place
in the body.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from dns_records import names, ptr, rdata, record_types
from dns_records.images import Key
from dns_records.plan import Expectation, Operation
from dnsorch.exceptions import ChangesetTooLarge, DnsorchError, Invalid, Reason

T = TypeVar("T")

#: Values in one change set, expected ones included: far more than a message holds.
MAX_VALUES = 10_000
TAKES_RECORDS = frozenset({"create", "replace", "put", "add", "remove"})


@dataclass(frozen=True)
class ExpectedDraft:
    """The ``expected`` of an operation; ``records`` None means absent."""

    records: tuple[str, ...] | None
    ttl: int | None = None


@dataclass(frozen=True)
class Draft:
    """One operation as a client wrote it.

    ``pointer`` is where it stands in the body; ``value_at`` where its values stand
    below that, with the index of the value. ``ptr`` is that of the operation.
    ``expires_at`` is when all its records go by themselves; ``expires`` says so of
    single ones.
    """

    action: str
    name: str
    type: str
    ttl: int | None = None
    records: tuple[str, ...] = ()
    expected: ExpectedDraft | None = None
    strict: bool = False
    pointer: str = ""
    value_at: str = "/records/{}"
    ptr: bool | None = None
    expires_at: datetime | None = None
    expires: Mapping[str, datetime] = field(default_factory=dict)


def placed(pointer: str, read: Callable[[], T]) -> T:
    """Return what ``read`` returns.

    Raises:
        DnsorchError: what ``read`` raises, with a reason that names ``pointer``.
    """
    try:
        return read()
    except DnsorchError as error:
        if not error.reasons:
            error.reasons = (Reason(pointer, error.code, error.detail),)
        raise


class Mistakes:
    """Collects what is wrong, so that a client hears of all of it at once."""

    def __init__(self) -> None:
        """Start with nothing wrong."""
        self.found: list[tuple[Reason, DnsorchError]] = []

    def at(self, pointer: str, read: Callable[[], T]) -> T | None:
        """Return what ``read`` returns, or keep its error under ``pointer``."""
        try:
            return read()
        except DnsorchError as error:
            self.found.append((Reason(pointer, error.code, error.detail), error))
            return None

    def raise_if_any(self) -> None:
        """Raise one error for all that was found.

        Raises:
            Invalid: its subclass and code if all mistakes are of the same kind.
        """
        if not self.found:
            return
        reasons = tuple(reason for reason, _ in self.found)
        kinds = {type(error) for _, error in self.found}
        kind = kinds.pop() if len(kinds) == 1 else Invalid
        raise kind(self.found[0][1].detail, reasons=reasons)


def read(drafts: Sequence[Draft], zone: str) -> list[Operation]:
    """Return the canonical operations of ``drafts`` in ``zone``, a canonical name.

    Raises:
        Invalid: at least one name, type or rdata is wrong; ``reasons`` name each.
        ChangesetTooLarge: there are so many values that reading them takes long.
    """
    _check_count(drafts)
    mistakes = Mistakes()
    operations = [_read_one(draft, zone, mistakes) for draft in drafts]
    mistakes.raise_if_any()
    return [operation for operation in operations if operation is not None]


def _check_count(drafts: Sequence[Draft]) -> None:
    expected = (draft.expected.records for draft in drafts if draft.expected)
    count = sum(len(draft.records) for draft in drafts)
    count += sum(len(records or ()) for records in expected)
    if count > MAX_VALUES:
        detail = f"the change set has {count} values; expected at most {MAX_VALUES}"
        reason = Reason("/changes", ChangesetTooLarge.code, detail)
        raise ChangesetTooLarge(detail, reasons=(reason,))


def _read_one(draft: Draft, zone: str, mistakes: Mistakes) -> Operation | None:
    at = draft.pointer
    name = mistakes.at(f"{at}/name", lambda: names.owner_name(draft.name, zone))
    rtype = mistakes.at(f"{at}/type", lambda: record_types.lookup(draft.type))
    mistakes.at(f"{at}/records", lambda: _check_presence(draft))
    mistakes.at(f"{at}/expires_at", lambda: _check_life(draft))
    if rtype is None:
        return None
    mistakes.at(f"{at}/ptr", lambda: check_ptr(rtype.name, draft.ptr))
    where = at + draft.value_at
    records = read_values(rtype.name, draft.records, zone, mistakes, where)
    expected = None
    if draft.expected is not None:
        wanted = draft.expected.records
        values = wanted and read_values(
            rtype.name, wanted, zone, mistakes, f"{at}/expected/records/{{}}"
        )
        expected = Expectation(values, draft.expected.ttl)
    if name is None:
        return None
    return Operation(
        action=draft.action,
        key=Key(name, rtype.name),
        ttl=draft.ttl,
        records=records,
        expected=expected,
        strict=draft.strict,
        pointer=at,
        ptr=draft.ptr,
        expires=_expires(draft, rtype.name, records, zone, mistakes),
        expires_field="expires" if draft.expires else "expires_at",
    )


def check_ptr(rtype: str, wanted: bool | None) -> None:
    """Refuse PTR records for what is no address.

    Raises:
        Invalid: they are asked for.
    """
    if wanted and rtype not in ptr.ADDRESSES:
        raise Invalid(f"PTR records go with A and AAAA, not with {rtype}")


def _check_presence(draft: Draft) -> None:
    if draft.action in TAKES_RECORDS and not draft.records:
        raise Invalid(f"{draft.action} needs at least one record")
    if draft.action not in TAKES_RECORDS and draft.records:
        raise Invalid(f"{draft.action} takes no records")


def _check_life(draft: Draft) -> None:
    if draft.expires_at is None:
        return
    if draft.action in ("delete", "remove"):
        raise Invalid(f"{draft.action} takes no expires_at: it leaves no record")
    if draft.expires:
        raise Invalid("expected either expires_at, of all records, or expires")


def _expires(
    draft: Draft, rtype: str, records: Sequence[str], zone: str, mistakes: Mistakes
) -> dict[str, datetime | None]:
    """Return when each of ``records`` expires, of which it is said."""
    if draft.expires_at is not None:
        return dict.fromkeys(records, draft.expires_at)
    found: dict[str, datetime | None] = {}
    if len(draft.expires) > len(draft.records):
        mistakes.at(f"{draft.pointer}/expires", _too_many)
        return found
    for value, expires_at in draft.expires.items():

        def read_value(text: str = value) -> str:
            canonical = rdata.parse(rtype, text, zone=zone).text
            if canonical not in records:
                raise Invalid(f"{canonical} is not among the records")
            return canonical

        text = mistakes.at(f"{draft.pointer}/expires", read_value)
        if text is not None:
            found[text] = expires_at
    return found


def _too_many() -> None:
    raise Invalid("there are more lives than records")


def read_values(
    rtype: str, values: Sequence[str], zone: str, mistakes: Mistakes, where: str
) -> tuple[str, ...]:
    """Return the canonical texts of ``values``; a repeated one is a mistake."""
    canonical: dict[str, None] = {}
    for index, value in enumerate(values):

        def read_value(text: str = value) -> str:
            canonical_text = rdata.parse(rtype, text, zone=zone).text
            if canonical_text in canonical:
                raise DuplicateRecord(f"{canonical_text} is given twice")
            return canonical_text

        text = mistakes.at(where.format(index), read_value)
        if text is not None:
            canonical[text] = None
    return tuple(canonical)


class DuplicateRecord(Invalid):
    """An RRset holds no record twice (RFC 2181 section 5)."""

    code = "duplicate_record"
