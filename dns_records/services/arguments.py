"""What the row of a change keeps of its operation, and how it is read again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from dns_records.images import Key
from dns_records.lifetimes import Life, Lives
from dns_records.models import Change
from dns_records.plan import Expectation, Operation, Plan
from dns_records.services import wanted
from dns_records.services.wanted import Hint, Locked


def dump_arguments(
    operation: Operation, hints: Mapping[tuple[Key, str], Hint]
) -> dict[str, Any]:
    """Return what :func:`load_operation` needs to plan the operation anew."""
    arguments: dict[str, Any] = {
        "ttl": operation.ttl,
        "records": list(operation.records),
        "strict": operation.strict,
    }
    if (expected := operation.expected) is not None:
        records = expected.records
        arguments["expected"] = {
            "ttl": expected.ttl,
            "records": None if records is None else list(records),
        }
    if operation.ptr is not None:
        arguments["ptr"] = operation.ptr
    if operation.expires:
        arguments["expires"] = {
            record: at and at.isoformat() for record, at in operation.expires.items()
        }
    for record in operation.records:
        if hint := hints.get((operation.key, record)):
            arguments["record_id"] = str(hint.record_id)
            arguments["record_comment"] = hint.comment
    return arguments


def load_operation(change: Change) -> Operation:
    """Return the operation of a stored change, to be planned anew."""
    return read_operation(
        change.action, Key(change.name, change.type), change.arguments
    )


def read_operation(action: str, key: Key, arguments: Mapping[str, Any]) -> Operation:
    """Return the operation of which :func:`dump_arguments` wrote the arguments."""
    expected = arguments.get("expected")
    return Operation(
        action=action,
        key=key,
        ttl=arguments["ttl"],
        records=tuple(arguments["records"]),
        strict=arguments["strict"],
        expected=expected
        and Expectation(
            None if expected["records"] is None else tuple(expected["records"]),
            expected["ttl"],
        ),
        ptr=arguments.get("ptr"),
        expires={
            record: at and datetime.fromisoformat(at)
            for record, at in arguments.get("expires", {}).items()
        },
    )


def load_hints(change: Change) -> dict[tuple[Key, str], Hint]:
    """Return what a stored change says about the record it makes."""
    arguments = change.arguments
    if "record_id" not in arguments:
        return {}
    hint = Hint(UUID(arguments["record_id"]), arguments["record_comment"])
    key = Key(change.name, change.type)
    return {(key, record): hint for record in arguments["records"]}


def load_leaving(change: Change) -> dict[tuple[Key, str], Hint]:
    """Return which records come back, with their ids, if a change is taken out."""
    key = Key(change.name, change.type)
    return {
        (key, record): Hint(UUID(was["id"]), was["comment"])
        for record, was in change.arguments.get("leaving", {}).items()
    }


def dump_life(life: Life) -> list[str | None]:
    """Return what :func:`load_lives` reads."""
    at, request_id = life
    return [at.isoformat() if at else None, str(request_id) if request_id else None]


def load_lives(change: Change) -> Lives:
    """Return which lives records have again if a change is taken out."""
    key = Key(change.name, change.type)
    return {
        (key, record): Life(
            at and datetime.fromisoformat(at), request_id and UUID(request_id)
        )
        for record, (at, request_id) in change.arguments.get("lives", {}).items()
    }


def what_comes_back(locked: Locked, planned: Plan) -> dict[Key, dict[str, Any]]:
    """Return what comes back if a plan is taken out, as arguments of its changes.

    That are the records that it takes away or gives another value, and the lives that
    these and others had.
    """
    found: dict[Key, dict[str, Any]] = {}
    for key, image in planned.images.items():
        kept = image.records if image else ()
        there = locked.records.get(key, ())
        leaving = {
            record.rdata: {"id": str(record.pk), "comment": record.comment}
            for record in there
            if record.rdata not in kept
        }
        ends = {
            record.rdata: (
                None
                if record.rdata in leaving
                else locked.lives.get(
                    (key, record.rdata), wanted.life(record)
                ).expires_at
            )
            for record in there
        }
        lives = {
            record.rdata: dump_life(wanted.life(record))
            for record in there
            if record.expires_at != ends[record.rdata]
        }
        own = {"leaving": leaving, "lives": lives}
        found[key] = {name: value for name, value in own.items() if value}
    return found
