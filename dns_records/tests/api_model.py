"""What the API ought to do, said a second time and as plainly as can be.

A model of one zone for the stateful test: which writes are taken, which state they
leave, and what becomes of them when the DNS service takes, refuses or loses them. It
shares no code with what it judges.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

Key = tuple[str, str]
RRset = tuple[int, frozenset[str]]
State = dict[Key, RRset]

TTL = 300
WHOLE = ("create", "replace", "delete", "put")


class Refused(Exception):
    """The write has to be refused, with this status and code."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(status, code)
        self.status = status
        self.code = code


@dataclass(frozen=True)
class Expected:
    """What a client expects to find: None for nothing."""

    rrset: RRset | None


@dataclass(frozen=True)
class Op:
    """One operation on one RRset."""

    action: str
    name: str
    type: str
    values: frozenset[str] = frozenset()
    ttl: int | None = None
    expected: Expected | None = None
    strict: bool = False

    @property
    def key(self) -> Key:
        """Which RRset it is about."""
        return self.name, self.type


def after(state: State, ops: Sequence[Op]) -> State:
    """Return the state that ``ops`` leave.

    Raises:
        Refused: they contradict themselves, the state, or the rules of DNS.
    """
    own: dict[Key, list[Op]] = {}
    for op in ops:
        own.setdefault(op.key, []).append(op)
    if any(_contradicts_itself(group) for group in own.values()):
        raise Refused(400, "invalid")
    for op in ops:
        if op.expected is not None and op.expected.rrset != state.get(op.key):
            raise Refused(412, "precondition_failed")
    left = dict(state)
    for key, group in own.items():
        ttl, values = _left_of(state.get(key), group)
        left.pop(key, None)
        if values:
            left[key] = ttl, values
    _check_rules(left, own)
    return left


def _contradicts_itself(group: Sequence[Op]) -> bool:
    added = frozenset().union(*(op.values for op in group if op.action == "add"))
    gone = frozenset().union(*(op.values for op in group if op.action == "remove"))
    several = len(group) > 1 and any(op.action in WHOLE for op in group)
    ttls = {op.ttl for op in group if op.ttl is not None}
    return several or bool(added & gone) or len(ttls) > 1


def _left_of(found: RRset | None, group: Sequence[Op]) -> RRset:
    action = group[0].action
    if action == "create" and found:
        raise Refused(409, "rrset_exists")
    if action in ("replace", "delete") and not found:
        raise Refused(409, "rrset_not_found")
    kept, there = found or (TTL, frozenset())
    ttl = next((op.ttl for op in group if op.ttl is not None), kept)
    if action == "delete":
        return ttl, frozenset()
    if action in WHOLE:
        return ttl, group[0].values
    values = there
    for op in group:
        if op.action == "add":
            if op.strict and op.values & there:
                raise Refused(409, "record_exists")
            values |= op.values
        else:
            if op.strict and not op.values <= there:
                raise Refused(404, "record_not_found")
            values -= op.values
    return ttl, values


def _check_rules(left: State, own: Mapping[Key, object]) -> None:
    broken = []
    for name, rtype in own:
        if rtype == "CNAME" and len(left.get((name, rtype), (0, ()))[1]) > 1:
            broken.append((400, "singleton_rrset"))
    for name in {name for name, _ in own}:
        types = {rtype for owner, rtype in left if owner == name}
        if "CNAME" in types and len(types) > 1:
            broken.append((409, "cname_conflict"))
    if len(set(broken)) == 1:
        raise Refused(*broken[0])
    if broken:
        raise Refused(400, "invalid")


@dataclass
class Written:
    """A write that was taken, and where it stands."""

    ops: tuple[Op, ...]
    status: str = "queued"

    def touches(self, names: frozenset[str]) -> bool:
        """Say whether it changes one of these names."""
        return any(op.name in names for op in self.ops)


@dataclass
class Model:
    """One zone: what is applied, what waits in order, and every write by its id."""

    applied: State = field(default_factory=dict)
    written: dict[str, Written] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)
    #: Those of ``waiting`` that are on the wire, and whether they have arrived.
    on_the_wire: list[str] = field(default_factory=list)
    arrived: bool = False
    has_marker: bool = False

    def wanted(self) -> State:
        """Return what is applied with all that waits replayed on it."""
        state = self.applied
        for key in self.waiting:
            state = after(state, self.written[key].ops)
        return state

    def of_status(self, *statuses: str) -> list[str]:
        """Return the writes in one of these states, oldest first."""
        return [key for key, each in self.written.items() if each.status in statuses]

    def take(self, request_id: str, ops: Sequence[Op]) -> None:
        """Take a write that :func:`after` allows."""
        self.written[request_id] = Written(tuple(ops))
        self.waiting.append(request_id)

    def reject(self, request_id: str) -> None:
        """Keep a write that was refused."""
        self.written[request_id] = Written((), "rejected")

    def withdraw(self, request_id: str, status: str) -> None:
        """Take a write out, and with it each that does not fit without it."""
        self.waiting.remove(request_id)
        self.written[request_id].status = status
        state = self.applied
        for key in list(self.waiting):
            try:
                state = after(state, self.written[key].ops)
            except Refused:
                self.waiting.remove(key)
                self.written[key].status = "failed"

    def drain(self, fault: str, names: frozenset[str]) -> None:
        """Send what waits to a service with this fault, ``names`` being refused."""
        if fault in ("unreachable", "refuse_all"):
            return
        if fault in ("lose_message", "lose_answer"):
            # The marker comes first: with it lost, nothing else is sent.
            if self.has_marker and not self.on_the_wire and self.waiting:
                self.on_the_wire = list(self.waiting)
                self.arrived = fault == "lose_answer"
                self._move(self.on_the_wire, "provisioning")
            return
        self.has_marker = True
        self._decide()
        for key in self._still_waiting():
            if self.written[key].touches(names):
                self.withdraw(key, "failed")
            else:
                self._apply(key)

    def verify(self) -> None:
        """Complete what the service has applied."""
        self._move(self.of_status("verifying"), "completed")

    def _decide(self) -> None:
        sent, self.on_the_wire = self.on_the_wire, []
        for key in sent:
            if self.arrived:
                self._apply(key)
            else:
                self._move([key], "queued")

    def _still_waiting(self) -> Iterator[str]:
        while self.waiting:
            yield self.waiting[0]

    def _apply(self, key: str) -> None:
        self.waiting.remove(key)
        self.applied = after(self.applied, self.written[key].ops)
        self._move([key], "verifying")

    def _move(self, keys: Sequence[str], status: str) -> None:
        for key in keys:
            self.written[key].status = status
