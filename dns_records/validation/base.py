"""What every validator shares: findings, the context, and the registry.

A validator is a function of a context and a subject that yields problems. Its id,
reference and docstring are what the documentation lists; an id never changes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from inspect import getclosurevars, getdoc
from typing import Any, Generic, Literal, TypeVar

from dns_records.validation.neighbours import Neighbours

Level = Literal["error", "warning"]
Status = Literal[400, 409]

#: The largest TTL, in seconds (RFC 2181 section 8).
MAX_TTL = 2**31 - 1
#: What an RRset may have on the wire, in octets.
MAX_OCTETS = 60_000


@dataclass(frozen=True)
class Context:
    """The limits to judge by, and what else is known of the zone.

    ``zone`` is canonical; TTLs are in seconds, 0 ("do not cache") included by default.
    ``max_records`` per RRset is the default of BIND's ``max-records-per-type``;
    ``max_octets`` leaves room in one DNS UPDATE message of 65,535 octets. ``driver`` is
    that of the zone's backend, ``checks_names`` whether that one refuses A, AAAA and MX
    of what is no host name. ``zone_keys`` are the DNSKEY records that the apex will
    have, None if that is not known.
    """

    zone: str
    min_ttl: int = 0
    max_ttl: int = MAX_TTL
    max_records: int = 100
    max_octets: int = MAX_OCTETS
    driver: str = ""
    checks_names: bool = False
    neighbours: Neighbours = field(default_factory=Neighbours)
    zone_keys: Collection[str] | None = None


@dataclass(frozen=True)
class Problem:
    """What a validator yields; the registry adds who found it."""

    level: Level
    code: str
    detail: str
    status: Status = 400


@dataclass(frozen=True)
class Finding:
    """What a validator has to say.

    An ``error`` refuses the change with the HTTP ``status``: 400 for what is wrong by
    itself, 409 for a conflict with what else is wanted. A ``warning`` lets it pass.
    """

    validator: str
    level: Level
    code: str
    detail: str
    reference: str
    status: Status

    @property
    def is_error(self) -> bool:
        """Whether it refuses the change."""
        return self.level == "error"


S = TypeVar("S")
Check = Callable[[Context, S], Iterator[Problem]]


@dataclass(frozen=True)
class Validator(Generic[S]):
    """One rule: a stable kebab-case id, its source, one sentence and its function."""

    id: str
    family: str
    reference: str
    sentence: str
    check: Check[S]

    @property
    def levels(self) -> list[str]:
        """What it says, read from its code: ``error``, ``warning`` or both."""
        return sorted({"error", "warning"} & set(getclosurevars(self.check).globals))


class Family(Generic[S]):
    """The validators of one kind of subject, in the order in which they are asked."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.validators: list[Validator[S]] = []

    def rule(self, id: str, reference: str) -> Callable[[Check[S]], Check[S]]:
        """Register the decorated function; its docstring's first line describes it."""

        def register(check: Check[S]) -> Check[S]:
            sentence = (getdoc(check) or "").partition("\n")[0]
            self.validators.append(Validator(id, self.name, reference, sentence, check))
            return check

        return register

    def findings(self, context: Context, subject: S) -> list[Finding]:
        """Return everything that the validators of the family have to say."""
        return [
            Finding(
                validator=validator.id,
                level=problem.level,
                code=problem.code,
                detail=problem.detail,
                reference=validator.reference,
                status=problem.status,
            )
            for validator in self.validators
            for problem in validator.check(context, subject)
        ]


def error(code: str, detail: str, status: Status = 400) -> Problem:
    """Return a problem that refuses the change."""
    return Problem("error", code, detail, status)


def warning(code: str, detail: str) -> Problem:
    """Return a problem that is worth knowing and lets the change pass."""
    return Problem("warning", code, detail)


AnyValidator = Validator[Any]
