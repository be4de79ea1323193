"""docs/asyncapi.yaml against real messages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import (  # type: ignore[import-untyped]
    Draft202012Validator,
    FormatChecker,
    ValidationError,
)
from referencing import Registry, Resource
from rest_framework.serializers import Serializer

from dns_records.api.v2.batch_items import NewRecord, RecordItem
from dns_records.api.v2.serializers import ChangeBody, ChangesetBody
from dns_records.selectors import requests
from kafka_bridge import dlq, envelope, outcomes, verdicts
from kafka_bridge.dlq import DeadLetter
from kafka_bridge.message import Message, Partition
from kafka_bridge.tests.support import message
from kafka_bridge.verdicts import Verdict
from requests_tracker.api.schemas import ChangeSchema, RequestV2
from requests_tracker.tests.outbox_factory import outbox_event

DOCUMENT: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[2] / "docs" / "asyncapi.yaml").read_text()
)
REGISTRY: Registry[Any] = Registry().with_resource(
    "urn:asyncapi",
    Resource.from_contents(
        DOCUMENT | {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    ),
)
EXAMPLES = [
    pytest.param(name, example, id=f"{name}: {example['name']}")
    for name, definition in DOCUMENT["components"]["messages"].items()
    for example in definition.get("examples", [])
]


def validate(message_name: str, part: str, instance: Any) -> None:
    """Check a message's headers or payload against the document."""
    pointer = f"urn:asyncapi#/components/messages/{message_name}/{part}"
    Draft202012Validator(
        {"$ref": pointer}, registry=REGISTRY, format_checker=FormatChecker()
    ).validate(instance)


def as_message(example: dict[str, Any], content_type: str) -> Message:
    headers = {"content-type": content_type} | example.get("headers", {})
    return message(
        json.dumps(example["payload"]).encode(),
        headers=[(name, value.encode()) for name, value in headers.items()],
    )


def test_every_reference_leads_somewhere() -> None:
    references: list[str] = []

    def collect(node: Any) -> None:
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                references.append(node["$ref"])
            for child in node.values():
                collect(child)
        elif isinstance(node, list):
            for child in node:
                collect(child)

    collect(DOCUMENT)
    resolver = REGISTRY.resolver("urn:asyncapi")
    assert len(references) > len(DOCUMENT["components"]["messages"])
    for reference in references:
        resolver.lookup(reference)


def test_every_request_message_has_an_example() -> None:
    request_messages = {
        reference["$ref"].rpartition("/")[2]
        for reference in DOCUMENT["channels"]["requests"]["messages"].values()
    }
    assert request_messages == {param.values[0] for param in EXAMPLES}


@pytest.mark.parametrize(
    ("path", "serializer"),
    [
        ("Changeset", ChangesetBody),
        ("Changeset/properties/changes/items", ChangeBody),
        ("Record", RecordItem),
        ("Record/properties/new", NewRecord),
        ("Request", RequestV2),
        ("Change", ChangeSchema),
    ],
)
def test_a_body_has_the_fields_that_the_api_has(
    path: str, serializer: type[Serializer[Any]]
) -> None:
    found: Any = DOCUMENT["components"]["schemas"]
    for step in path.split("/"):
        found = found[step]
    assert set(found["properties"]) == set(serializer().fields)


@pytest.mark.parametrize(("name", "example"), EXAMPLES)
def test_each_example_fits_and_the_consumer_takes_it(
    name: str, example: dict[str, Any]
) -> None:
    validate(name, "payload", example["payload"])
    validate(name, "headers", example.get("headers", {}))
    content_type = DOCUMENT["components"]["messages"][name]["contentType"]
    item = json.loads(envelope.item(as_message(example, content_type)))
    member = "changeset" if name.startswith("Changeset") else "record"
    data = example["payload"].get("data", example["payload"])
    assert item[member] == data


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("ChangesetPlain", {"changes": []}),
        ("RecordPlain", {"action": "burn"}),
        ("ChangesetEvent", {"specversion": "1.0", "id": "1", "source": "x"}),
        ("Outcome", {}),
    ],
)
def test_the_schemas_refuse_what_is_wrong(name: str, payload: Any) -> None:
    with pytest.raises(ValidationError):
        validate(name, "payload", payload)


@pytest.mark.django_db
@pytest.mark.parametrize(("zone", "sequence"), [("example.test.", 1), ("", None)])
def test_a_real_outcome_fits(zone: str, sequence: int | None) -> None:
    event = outbox_event(zone, sequence)
    bodies = requests.bodies([event.request_id])
    sent = outcomes.outgoing(
        event, bodies[event.request_id], topic="outcomes", source="dnsorch"
    )
    payload = json.loads(sent.value or b"")
    validate("Outcome", "payload", payload)
    validate(
        "Outcome", "headers", {name: (v or b"").decode() for name, v in sent.headers}
    )
    assert payload["data"]["id"] == payload["subject"] == str(event.request_id)


@pytest.mark.parametrize("value", [None, b"\xff", b'{"changes":[]}'])
def test_a_real_dead_letter_fits(value: bytes | None) -> None:
    reason = verdicts.reason({"code": "zone_not_found", "request_id": "019a"}, 404)
    sent = dlq.outgoing("dlq", DeadLetter(message(value), reason, 1))
    validate(
        "DeadLetter", "headers", {name: (v or b"").decode() for name, v in sent.headers}
    )


def test_the_codes_of_poison_are_those_that_the_document_lists() -> None:
    from kafka_bridge import exceptions

    codes = {
        error.code
        for error in exceptions.InvalidMessage.__subclasses__()
        if error is not exceptions.NotADeadLetter
    }
    headers = DOCUMENT["components"]["schemas"]["DeadLetterHeaders"]["properties"]
    description = headers["dnsorch-dlq-code"]["description"]
    assert set(description.split("`")[1::2]) == codes


def test_a_verdict_that_buries_has_a_code() -> None:
    body = {"code": "invalid", "request_id": "019a"}
    assert verdicts.of_item(400, body) is Verdict.DEAD
    letter = DeadLetter(
        Message(Partition("t", 0), 0, -1, None, b"{}", ()),
        verdicts.reason(body, 400),
        1,
    )
    headers = {
        name: (value or b"").decode()
        for name, value in dlq.outgoing("dlq", letter).headers
    }
    validate("DeadLetter", "headers", headers)
