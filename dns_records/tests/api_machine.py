"""The stateful test's machine: the API and its model, told the same things."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.db import transaction
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
)

from dns_records.models import Batch, Change
from dns_records.providers.memory import Faults
from dns_records.services import delivery, verification
from dns_records.tests.api_model import Expected, Model, Op, Refused, State, after
from dns_records.tests.callers import BATCH, CHANGESETS, RECORDS, caller
from dns_records.tests.test_api_errors import NO_ONE
from dns_records.tests.world import (
    ZONE,
    Content,
    applied,
    hurry,
    make_zone,
    replayed,
    served,
    store_of,
    wanted,
)
from requests_tracker.models import OutboxEvent, Request
from requests_tracker.status import FINAL

NAMES = ("a.example.test.", "b.example.test.")
VALUES = {
    "A": ("192.0.2.1", "192.0.2.2"),
    "TXT": ('"one"', '"two"'),
    "CNAME": ("x.test.", "y.test."),
}
KEYS = [(name, rtype) for name in NAMES for rtype in ("A", "CNAME", "TXT")]
FAULTS: Mapping[str, Faults] = {
    "none": Faults(),
    "refuse_names": Faults(refuse_names=frozenset(NAMES[:1])),
    "refuse_all": Faults(refuse_all=True),
    "unreachable": Faults(unreachable=True),
    "lose_message": Faults(lose_message=True),
    "lose_answer": Faults(lose_answer=True),
}

rrsets = st.sampled_from(KEYS)
indexes = st.integers(0, 1000)
ttls = st.sampled_from([None, None, 60])
modes = st.sampled_from(["plain", "plain", "plain", "keyed", "dry"])


@st.composite
def operations(draw: st.DrawFn) -> Op:
    """Draw one change of a change set."""
    name, rtype = draw(rrsets)
    action = draw(st.sampled_from(["create", "replace", "delete", "add", "remove"]))
    values = draw(st.sets(st.sampled_from(VALUES[rtype]), min_size=1, max_size=2))
    if action == "delete":
        return Op(action, name, rtype)
    ttl = draw(ttls) if action != "remove" else None
    return Op(action, name, rtype, frozenset(values), ttl)


change_sets = st.lists(operations(), min_size=1, max_size=3)


@dataclass(frozen=True)
class Call:
    """A write: what is sent, and what the model does with it."""

    method: str
    url: str
    body: Any
    ops: tuple[Op, ...]
    headers: Mapping[str, str] = field(default_factory=dict)
    #: What refuses it before its operations are looked at.
    refusal: Refused | None = None


def body_of(ops: Sequence[Op]) -> dict[str, Any]:
    """Return the change set that asks for ``ops``."""
    changes = []
    for op in ops:
        change: dict[str, Any] = {"action": op.action, "name": op.name, "type": op.type}
        if op.values:
            change["records"] = sorted(op.values)
        if op.ttl is not None:
            change["ttl"] = op.ttl
        if op.expected is not None:
            found = op.expected.rrset
            change["expected"] = found and {"ttl": found[0], "records": [*found[1]]}
        changes.append(change)
    return {"zone": ZONE, "changes": changes}


class Api(RuleBasedStateMachine):
    """One zone, one client, one DNS service."""

    def __init__(self) -> None:
        """Start with an empty zone, in a transaction that is undone."""
        super().__init__()
        self.atomic = transaction.atomic()
        self.atomic.__enter__()
        self.zone = make_zone()
        self.api = caller()
        self.model = Model()
        #: What was sent with each idempotency key, and its first answer.
        self.first: dict[str, tuple[Call, int, str]] = {}

    def teardown(self) -> None:
        """Bring everything to its end, on a service that behaves."""
        try:
            for _ in range(2):
                self.drain("none")
                self.verify()
            self.agrees()
            assert {each.status for each in self.model.written.values()} <= FINAL
            assert OutboxEvent.objects.count() == Request.objects.count()
        finally:
            self.undo()

    def undo(self) -> None:
        """Leave nothing behind."""
        transaction.set_rollback(True)
        self.atomic.__exit__(None, None, None)

    # --- writing -----------------------------------------------------------------

    def write(self, call: Call, mode: str) -> None:
        """Send a write and have the model foretell the answer."""
        state, left = self.model.wanted(), None
        refused = call.refusal
        if refused is None:
            try:
                left = after(state, call.ops)
            except Refused as error:
                refused = error
        if mode == "dry":
            self.plan(call, refused, left or {})
            return
        key = f"key-{len(self.first)}" if mode == "keyed" else ""
        answer = self.send(call, key)
        self.tell(call, refused, answer.status_code, answer.json(), key)

    def send(self, call: Call, key: str = "", query: str = "") -> Any:
        """Send a write as it is."""
        headers = {**call.headers, **({"Idempotency-Key": key} if key else {})}
        method = getattr(self.api, call.method)
        return method(call.url + query, call.body, headers=headers)

    def plan(self, call: Call, refused: Refused | None, left: State) -> None:
        """Ask what a write would do."""
        answer = self.send(call, query="?dry_run=true")
        body = answer.json()
        if refused is not None:
            assert (answer.status_code, body.get("code")) == (
                refused.status,
                refused.code,
            )
            assert "request_id" not in body
            return
        assert answer.status_code == 200, body
        state = self.model.wanted()
        for change in body["changes"]:
            which = change["name"], change["type"]
            assert content_of(change["before"]) == state.get(which)
            assert content_of(change["after"]) == left.get(which)

    def tell(
        self, call: Call, refused: Refused | None, status: int, body: Any, key: str
    ) -> None:
        """Compare an answer with what the model foretold; tell the model its id."""
        request_id = body.get("request_id") or body["id"]
        if refused is None:
            assert status == 202, body
            self.model.take(request_id, call.ops)
        else:
            assert (status, body.get("code")) == (refused.status, refused.code), body
            self.model.reject(request_id)
        if key:
            self.first[key] = call, status, request_id

    @rule(ops=change_sets, mode=modes)
    def change_set(self, ops: list[Op], mode: str) -> None:
        """Post a change set."""
        self.write(Call("post", CHANGESETS, body_of(ops), tuple(ops)), mode)

    @rule(op=operations(), right=st.booleans(), mode=modes)
    def change_what_is_expected(self, op: Op, right: bool, mode: str) -> None:
        """Post a change that says what it expects to find, rightly or not."""
        found = self.model.wanted().get(op.key)
        if not right:
            found = None if found else (60, frozenset(VALUES[op.type][:1]))
        ops = (Op(op.action, *op.key, op.values, op.ttl, Expected(found)),)
        self.write(Call("post", CHANGESETS, body_of(ops), ops), mode)

    @rule(sets=st.lists(change_sets, min_size=1, max_size=3), keyed=st.booleans())
    def batch(self, sets: list[list[Op]], keyed: bool) -> None:
        """Post several change sets, each on what those before it leave."""
        key = f"batch-{len(self.first)}" if keyed else ""
        items = [{"changeset": body_of(ops)} for ops in sets]
        headers = {"Idempotency-Key": key} if key else {}
        answer = self.api.post(BATCH, {"items": items}, headers=headers)
        assert answer.status_code == 207
        results = answer.json()["results"]
        for index, (ops, result) in enumerate(zip(sets, results, strict=True)):
            call = Call("post", CHANGESETS, body_of(ops), tuple(ops))
            refused = None
            try:
                after(self.model.wanted(), ops)
            except Refused as error:
                refused = error
            own_key = f"{key}/{index}" if key else ""
            self.tell(call, refused, result["status"], result["body"], own_key)

    @rule(
        which=rrsets,
        ttl=ttls,
        tag=st.sampled_from(["", "", "right", "wrong", "absent"]),
        delete=st.booleans(),
        mode=modes,
    )
    def rrset(
        self, which: tuple[str, str], ttl: int | None, tag: str, delete: bool, mode: str
    ) -> None:
        """Write or delete one RRset, under a condition or not."""
        name, rtype = which
        url = f"/api/v2/zones/{ZONE}/rrsets/{name}/{rtype}/"
        found, expected, headers, refusal = (
            self.model.wanted().get(which),
            None,
            {},
            None,
        )
        if tag == "absent":
            headers["If-None-Match"] = "*"
        elif tag:
            shown = self.api.get(url)
            assert shown.status_code == (200 if found else 404)
            headers["If-Match"] = shown.headers.get("ETag", '"0"')
            if tag == "wrong":
                headers["If-Match"] = '"100000"'
        if tag:
            expected = Expected(found)
            if bool(found) is (tag == "absent") or tag == "wrong":
                refusal = Refused(412, "precondition_failed")
        if delete:
            if found is None:
                refusal = Refused(404, "not_found")
            ops, body = (Op("delete", name, rtype, expected=expected),), None
        else:
            values = VALUES[rtype][:1]
            body = {"records": [*values]} | ({"ttl": ttl} if ttl else {})
            ops = (Op("put", name, rtype, frozenset(values), ttl, expected),)
        method = "delete" if delete else "put"
        self.write(Call(method, url, body, ops, headers, refusal), mode)

    @rule(which=rrsets, index=indexes, ttl=ttls, mode=modes)
    def create_record(
        self, which: tuple[str, str], index: int, ttl: int | None, mode: str
    ) -> None:
        """Add one record over v1."""
        name, rtype = which
        value = VALUES[rtype][index % 2]
        body = {"name": name, "type": rtype, "value": value, "ttl": ttl}
        op = Op("add", name, rtype, frozenset({value}), ttl, strict=True)
        self.write(Call("post", RECORDS, body, (op,)), mode)

    @rule(
        index=indexes, other=st.booleans(), ttl=ttls, delete=st.booleans(), mode=modes
    )
    def record(
        self, index: int, other: bool, ttl: int | None, delete: bool, mode: str
    ) -> None:
        """Give a record another value or TTL, or take it out, over v1."""
        held = sorted(
            (*key, value)
            for key, (_, values) in self.model.wanted().items()
            for value in values
        )
        body: dict[str, Any] | None = None if delete else {"comment": None}
        method = "delete" if delete else "put"
        if not held:
            call = Call(method, f"{RECORDS}{NO_ONE}/", body, ())
            self.write(replace(call, refusal=Refused(404, "not_found")), mode)
            return
        name, rtype, value = held[index % len(held)]
        listed = self.api.get(RECORDS, {"name": name, "type": rtype, "value": value})
        (shown,) = listed.json()["results"]
        gone = Op("remove", name, rtype, frozenset({value}), strict=True)
        ops: tuple[Op, ...] = (gone,)
        if not delete:
            new = next(each for each in VALUES[rtype] if (each != value) is other)
            body = {"value": new} | ({"ttl": ttl} if ttl else {})
            add = Op("add", name, rtype, frozenset({new}), ttl, strict=other)
            ops = (gone, add) if other else (add,)
        self.write(Call(method, shown["links"]["self"], body, ops), mode)

    # --- asking again --------------------------------------------------------------

    @precondition(lambda self: self.first)
    @rule(index=indexes, same=st.booleans())
    def replay(self, index: int, same: bool) -> None:
        """Send what was sent before with its key, or something else with it."""
        key = sorted(self.first)[index % len(self.first)]
        call, status, request_id = self.first[key]
        if same:
            answer = self.send(call, key)
            body = answer.json()
            assert answer.status_code == status, body
            assert (body.get("request_id") or body["id"]) == request_id
            assert answer.headers["Idempotent-Replayed"] == "true"
            return
        answer = self.api.post(
            CHANGESETS, {"zone": "other.test."}, headers={"Idempotency-Key": key}
        )
        body = answer.json()
        assert (answer.status_code, body.get("code")) == (422, "idempotency_key_reused")
        self.model.reject(body["request_id"])

    @precondition(lambda self: self.model.written)
    @rule(index=indexes, name=st.sampled_from(["cancel", "retry"]))
    def operate(self, index: int, name: str) -> None:
        """Cancel a request, or try it again."""
        ids = list(self.model.written)
        request_id = ids[index % len(ids)]
        own = self.model.written[request_id]
        call = Call("post", f"/api/v2/requests/{request_id}/{name}/", None, own.ops)
        if name == "retry" and own.status == "failed":
            self.write(call, "plain")
            return
        answer = self.send(call)
        body = answer.json()
        if own.status != "queued":
            assert (answer.status_code, body.get("code")) == (409, "illegal_transition")
            self.model.reject(body["request_id"])
        elif name == "cancel":
            assert answer.status_code == 200, body
            self.model.withdraw(request_id, "cancelled")
        else:
            assert answer.status_code == 202, body

    # --- DNS -----------------------------------------------------------------------

    @rule(fault=st.sampled_from([*FAULTS, "none"]))
    def drain(self, fault: str) -> None:
        """Have the worker send what waits to a service that misbehaves."""
        faults = FAULTS[fault]
        store_of(self.zone).faults = faults
        hurry(self.zone)
        delivery.drain(self.zone.pk)
        store_of(self.zone).faults = Faults()
        self.model.drain(fault, faults.refuse_names)

    @rule()
    def verify(self) -> None:
        """Have the worker see to what was applied."""
        verification.check(self.zone.pk)
        self.model.verify()

    # --- what always holds -----------------------------------------------------------

    @invariant()
    def agrees(self) -> None:
        """Compare all that can be seen."""
        state = self.model.wanted()
        shown = self.api.get(f"/api/v2/zones/{ZONE}/rrsets/").json()["results"]
        assert {
            (each["name"], each["type"]): content_of(each) for each in shown
        } == state
        assert model_of(wanted(self.zone)) == model_of(replayed(self.zone)) == state
        assert model_of(applied(self.zone)) == self.model.applied
        if not Batch.objects.filter(status="sent").exists():
            assert model_of(served(self.zone)) == self.model.applied
        rows = dict(Request.objects.values_list("pk", "status"))
        seen = {str(key): status for key, status in rows.items()}
        assert seen == {key: own.status for key, own in self.model.written.items()}
        open_changes = Change.objects.filter(status__in=["pending", "sent"])
        assert not open_changes.filter(request__status__in=FINAL).exists()
        for key, (_, _, request_id) in self.first.items():
            (only,) = Request.objects.filter(idempotency_key=key)
            assert str(only.pk) == request_id


def content_of(image: Any) -> tuple[int, frozenset[str]] | None:
    """Return an RRset of JSON as the model has it."""
    return image and (image["ttl"], frozenset(image["records"]))


def model_of(content: Content) -> State:
    """Return content as the model has it."""
    return {key: (ttl, frozenset(values)) for key, (ttl, values) in content.items()}
