"""One trace from the door to the name server's answer, across all processes."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

from dnsorch.tests import spans
from dnsorch.tests.e2e.harness import TOPICS, Stack, changeset, record, until
from dnsorch.tests.spans import Seen

REQUESTS, OUTCOMES, _ = TOPICS
PARENT_SPAN = "00f067aa0ba902b7"


def client_trace() -> tuple[str, str]:
    """Return the id of a new trace and the traceparent of a client in it."""
    trace = uuid.uuid4().hex
    return trace, f"00-{trace}-{PARENT_SPAN}-01"


def traced(stack: Stack, trace: str) -> list[Seen]:
    """Return the spans of a trace, once its outcome is published.

    They are unbroken: each hangs on another one, the first one on the client's. Each
    process exports its own, so the last to come is not the last of the trace.
    """
    file = Path(stack.env["DNSORCH_TRACE_FILE"])
    last: list[Seen] = []

    def look() -> list[Seen] | None:
        last[:] = [span for span in spans.read(file) if span.trace == trace]
        ids = {span.id for span in last} | {PARENT_SPAN}
        whole = all(span.parent in ids for span in last)
        published = f"publish {OUTCOMES}" in {span.name for span in last}
        return last if whole and published else None

    try:
        return until(look, f"the trace {trace}", 20)
    except AssertionError as error:
        told = "\n".join(f"{s.id} < {s.parent} {s.name}" for s in last)
        raise AssertionError(f"{error}\n{told}") from None


def outcome(stack: Stack, request_id: str) -> Any:
    """Return the message that tells the outcome of a request."""
    (message,) = [
        message
        for message in stack.messages(OUTCOMES)
        if json.loads(message.value() or b"")["subject"] == request_id
    ]
    return message


def test_one_trace_from_the_post_to_the_answer_and_the_outcome(stack: Stack) -> None:
    trace, parent = client_trace()
    name = f"traced-{trace[:8]}.example.test."
    with stack.client() as client:
        answer = client.post(
            "/api/v1/dns-records/",
            json=record(name, "192.0.2.40"),
            headers={"traceparent": parent},
        )
    request_id = answer.json()["request_id"]
    found = traced(stack, trace)

    (server,) = (span for span in found if span.kind == "SERVER")
    assert server.name.startswith("POST api/v1/")
    assert server.parent == PARENT_SPAN
    assert server.attributes["http.response.status_code"] == 202
    about = {
        each: spans.one(found, each) for each in ("request.accept", "request.update")
    }
    verified = [span for span in found if span.name == "request.verify"][-1]
    publish = spans.one(found, f"publish {OUTCOMES}")
    for span in (*about.values(), verified, publish):
        assert span.parent == server.id
        assert span.attributes["dnsorch.request_id"] == request_id
    assert about["request.update"].attributes["dns.rcode"] == "NOERROR"
    assert verified.attributes["server.address"] == stack.about["nameserver"]
    assert verified.attributes["dns.rcode"] == "NOERROR"
    assert verified.attributes["dnsorch.shown"] is True
    assert isinstance(verified.attributes["dns.serial"], int)
    # The UPDATE's own span is linked: it may have served others in other traces.
    everything = {
        (s.trace, s.id): s for s in spans.read(Path(stack.env["DNSORCH_TRACE_FILE"]))
    }
    (batch,) = (everything[link] for link in about["request.update"].links)
    assert batch.name == "dns.update"
    processes = {server.process, about["request.update"].process, publish.process}
    assert len(processes) == 3

    message = outcome(stack, request_id)
    headers = dict(message.headers())
    assert spans.referred(headers["traceparent"]) == publish.reference
    began = json.loads(message.value())["traceparent"]
    assert spans.referred(began) == server.reference


def test_one_trace_from_the_message_to_the_outcome(stack: Stack) -> None:
    trace, parent = client_trace()
    key = uuid.uuid4().hex
    name = f"traced-{trace[:8]}.example.test."
    value = changeset("example.test.", "create", name, "192.0.2.41")
    stack.produce([(key, value)], headers={"traceparent": parent})
    found = traced(stack, trace)

    consumed = spans.one(found, f"consume {REQUESTS}")
    assert (consumed.parent, consumed.kind) == (PARENT_SPAN, "CONSUMER")
    accepted = spans.one(found, "request.accept")
    updated = spans.one(found, "request.update")
    verified = [span for span in found if span.name == "request.verify"][-1]
    publish = spans.one(found, f"publish {OUTCOMES}")
    for span in (accepted, updated, verified, publish):
        assert span.parent == consumed.id
    assert verified.attributes["dnsorch.shown"] is True
    processes = {s.process for s in (consumed, accepted, updated, publish)}
    assert len(processes) == 4
    # The post of the batch is in a trace of its own, and linked.
    everything = {
        (s.trace, s.id): s for s in spans.read(Path(stack.env["DNSORCH_TRACE_FILE"]))
    }
    (server,) = (everything[link] for link in accepted.links)
    assert server.name == "POST api/v2/changesets/batch/$"
    assert everything[server.trace, server.parent].name == "post batch"

    request = stack.final_by_key(key)
    began = json.loads(outcome(stack, request["id"]).value())["traceparent"]
    assert spans.referred(began) == consumed.reference


def test_a_task_runs_in_the_trace_of_who_published_it(stack: Stack) -> None:
    trace, parent = client_trace()
    name = f"traced-{trace[:8]}.example.test."
    with stack.client() as client:
        client.post(
            "/api/v1/dns-records/",
            json=record(name, "192.0.2.42"),
            headers={"traceparent": parent, "Prefer": "wait=20"},
        )
    found = traced(stack, trace)
    task = spans.one(found, "run dns_records.deliver")
    accepted = spans.one(found, "request.accept")
    assert (task.kind, task.parent) == ("CONSUMER", accepted.id)
    assert spans.one(found, "dns.update").parent == task.id
    lines = (stack.directory / "worker.log").read_text().splitlines()
    applied = [line for line in lines if "provider.apply" in line and trace in line]
    assert len(applied) == 1
