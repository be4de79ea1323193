"""Messages to batch items: every form that is taken, and every poison."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

import pytest
from confluent_kafka import Message as ConsumedMessage

from kafka_bridge import envelope
from kafka_bridge.exceptions import InvalidMessage
from kafka_bridge.message import from_kafka
from kafka_bridge.tests.support import changeset, message

CHANGESET = changeset("www")
RECORD = {"action": "create", "name": "www", "type": "A", "value": "192.0.2.1"}
STRUCTURED = (("content-type", b"application/cloudevents+json; charset=utf-8"),)
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
CE_KEY = "ce:" + hashlib.sha256(b"ci://web\0deploy-1").hexdigest()


def dumps(value: Any) -> bytes:
    return json.dumps(value).encode()


def event(**changes: Any) -> dict[str, Any]:
    attributes = {
        "specversion": "1.0",
        "id": "deploy-1",
        "source": "ci://web",
        "type": "dnsorch.changeset.requested",
        "data": CHANGESET,
    }
    merged = attributes | changes
    return {name: value for name, value in merged.items() if value is not ...}


def binary(**changes: bytes) -> tuple[tuple[str, bytes | None], ...]:
    headers = {
        "ce_specversion": b"1.0",
        "ce_id": b"deploy-1",
        "ce_source": b"ci://web",
        "ce_type": b"dnsorch.record.requested",
        "content-type": b"application/json",
    } | changes
    return tuple(headers.items())


@pytest.mark.parametrize(
    ("value", "headers", "expected"),
    [
        pytest.param(
            event(),
            STRUCTURED,
            {
                "idempotency_key": CE_KEY,
                "on_behalf_of": "ci://web",
                "changeset": CHANGESET,
            },
            id="structured",
        ),
        pytest.param(
            event(type="dnsorch.record.requested", data=RECORD),
            STRUCTURED,
            {"idempotency_key": CE_KEY, "on_behalf_of": "ci://web", "record": RECORD},
            id="structured-record",
        ),
        pytest.param(
            event(),
            (),
            {
                "idempotency_key": CE_KEY,
                "on_behalf_of": "ci://web",
                "changeset": CHANGESET,
            },
            id="structured-without-content-type",
        ),
        pytest.param(
            event(data=..., data_base64="eyJhY3Rpb24iOiAiY3JlYXRlIn0="),
            STRUCTURED,
            {
                "idempotency_key": CE_KEY,
                "on_behalf_of": "ci://web",
                "changeset": {"action": "create"},
            },
            id="structured-base64",
        ),
        pytest.param(
            RECORD,
            binary(),
            {"idempotency_key": CE_KEY, "on_behalf_of": "ci://web", "record": RECORD},
            id="binary",
        ),
        pytest.param(
            RECORD,
            binary(ce_traceparent=TRACEPARENT.encode()),
            {
                "idempotency_key": CE_KEY,
                "traceparent": TRACEPARENT,
                "on_behalf_of": "ci://web",
                "record": RECORD,
            },
            id="binary-with-tracing-extension",
        ),
        pytest.param(
            CHANGESET,
            (("Idempotency-Key", b"first"), ("idempotency-key", b"deploy-1")),
            {"idempotency_key": "deploy-1", "changeset": CHANGESET},
            id="plain-changeset-last-header-counts",
        ),
        pytest.param(
            RECORD,
            (
                ("idempotency-key", b'"quoted"'),
                ("correlation-id", b"build-42"),
                ("traceparent", TRACEPARENT.encode()),
            ),
            {
                "idempotency_key": '"quoted"',
                "correlation_id": "build-42",
                "traceparent": TRACEPARENT,
                "record": RECORD,
            },
            id="plain-record-with-headers",
        ),
        pytest.param(
            RECORD,
            (
                ("idempotency-key", b"k"),
                ("correlation-id", b"two words"),
                ("traceparent", b"00-" + b"0" * 32 + b"-b7ad6b7169203331-01"),
                ("other", b"\xff"),
                ("empty", None),
            ),
            {"idempotency_key": "k", "record": RECORD},
            id="malformed-tracing-headers-are-left-out",
        ),
    ],
)
def test_item(value: Any, headers: Any, expected: dict[str, Any]) -> None:
    got = envelope.item(message(dumps(value), headers=headers))
    assert json.loads(got) == expected


def test_header_key_wins_over_the_event_id() -> None:
    headers = (*STRUCTURED, ("idempotency-key", b"mine"))
    got = envelope.item(message(dumps(event()), headers=headers))
    assert json.loads(got)["idempotency_key"] == "mine"


def test_key_without_header_or_event_is_the_place_and_the_value() -> None:
    value = dumps(CHANGESET)
    parts = [b"dnsorch.requests", b"2", b"7", b"1700000000000", value]
    expected = "kafka:" + hashlib.sha256(b"\0".join(parts)).hexdigest()
    assert json.loads(envelope.item(message(value)))["idempotency_key"] == expected


def test_key_does_not_depend_on_the_mode() -> None:
    structured = message(
        dumps(event(type="dnsorch.record.requested", data=RECORD)), headers=STRUCTURED
    )
    assert envelope.idempotency_key(structured) == envelope.idempotency_key(
        message(dumps(RECORD), headers=binary())
    )


def test_key_of_poison_is_that_of_its_place() -> None:
    assert envelope.idempotency_key(message(None)).startswith("kafka:")


def test_source_and_id_do_not_run_together() -> None:
    one = message(dumps(event(source="a", id="bc")), headers=STRUCTURED)
    other = message(dumps(event(source="ab", id="c")), headers=STRUCTURED)
    assert envelope.idempotency_key(one) != envelope.idempotency_key(other)


@pytest.mark.parametrize(
    ("value", "headers", "code", "detail"),
    [
        (None, (), "empty_message", "the message is a tombstone (null value)"),
        (b"", (), "empty_message", "the value is empty"),
        (b" \n", STRUCTURED, "empty_message", "the value is empty"),
        (b"{\xff}", (), "not_utf8", "not UTF-8 (line 1, octet 2)"),
        (b"{", (), "invalid_json", "Expecting property name"),
        (b'{"a":1}x', (), "invalid_json", "Extra data (line 1, column 8)"),
        (b'{"a":1,"a":2}', (), "invalid_json", "/a: named twice in one object"),
        (b'{"changes":NaN}', (), "invalid_json", "NaN is not a JSON number"),
        (b'{"changes":1e999}', (), "invalid_json", "1e999 is out of range"),
        (
            b'{"changes":' + b"1" * 5000 + b"}",
            (),
            "invalid_json",
            "is out of range",
        ),
        (
            b'{"changes":"\\ud800"}',
            (),
            "invalid_json",
            "/changes: has the lone surrogate U+D800",
        ),
        (
            b'{"changes":[{"\\u0000":1}]}',
            (),
            "invalid_json",
            "/changes/0: has the character NUL (U+0000)",
        ),
        (
            b'{"changes":' + b"[" * 64 + b"]" * 64 + b"}",
            (),
            "nesting_too_deep",
            "deeper than 64 levels",
        ),
        (b"[" * 100_000, (), "nesting_too_deep", "deeper than 64 levels"),
        (b"[]", (), "not_an_object", "the request is not a JSON object"),
        (b'"text"', STRUCTURED, "not_an_object", "the request is not a JSON object"),
        (b'{"zone":"x."}', (), "unknown_type", "neither a CloudEvent nor"),
        (
            b'{"changes":"' + b"x" * 921_600 + b'"}',
            (),
            "message_too_large",
            "the request has 921614 octets; at most 921600 are taken",
        ),
        (
            # Fits as a value, not as an item together with its key.
            b'{"changes":"' + b"x" * 921_580 + b'"}',
            (),
            "message_too_large",
            "at most 921600 are taken",
        ),
        (
            dumps(event(id=...)),
            STRUCTURED,
            "invalid_cloudevent",
            "the attribute 'id' is missing, empty or not a string",
        ),
        (dumps(event(id=7)), STRUCTURED, "invalid_cloudevent", "the attribute 'id'"),
        (dumps(event(source="")), STRUCTURED, "invalid_cloudevent", "'source'"),
        (dumps(event(type=...)), (), "invalid_cloudevent", "'type'"),
        (
            dumps(event(specversion="0.3")),
            STRUCTURED,
            "unsupported_cloudevent",
            "specversion is '0.3'; expected '1.0'",
        ),
        (dumps(event(type="order.placed")), STRUCTURED, "unknown_type", "order.placed"),
        (dumps(event(data=...)), STRUCTURED, "not_an_object", "not a JSON object"),
        (dumps(event(data="{}")), STRUCTURED, "not_an_object", "not a JSON object"),
        (
            dumps(event(data=..., data_base64="x")),
            STRUCTURED,
            "invalid_cloudevent",
            "data_base64 is not base64",
        ),
        (
            dumps(event()),
            (("content-type", b"application/cloudevents+avro"),),
            "unsupported_cloudevent",
            "the content type is application/cloudevents+avro",
        ),
        (
            dumps([event()]),
            (("content-type", b"application/cloudevents-batch+json"),),
            "unsupported_cloudevent",
            "application/cloudevents-batch+json",
        ),
        (b"<xml/>", binary(), "invalid_json", "(line 1, column 1)"),
        (dumps(RECORD), (("ce_id", b"1"),), "invalid_cloudevent", "'source'"),
        (
            dumps(RECORD),
            binary(ce_source=b"\xff"),
            "invalid_header",
            "the header ce_source is not UTF-8",
        ),
        (
            dumps(RECORD),
            (("idempotency-key", b"\xff"),),
            "invalid_header",
            "the header idempotency-key is not UTF-8",
        ),
        (
            dumps(RECORD),
            (("idempotency-key", None),),
            "invalid_header",
            "idempotency-key is not 1 to 255 visible ASCII characters",
        ),
        (
            dumps(RECORD),
            (("idempotency-key", b"x" * 256),),
            "invalid_header",
            "idempotency-key is not 1 to 255 visible ASCII characters",
        ),
    ],
)
def test_poison(value: bytes | None, headers: Any, code: str, detail: str) -> None:
    with pytest.raises(InvalidMessage) as caught:
        envelope.item(message(value, headers=headers))
    assert caught.value.code == code
    assert detail in caught.value.detail


def test_the_deepest_request_that_is_taken() -> None:
    value = b'{"changes":' + b"[" * 63 + b"]" * 63 + b"}"
    assert json.loads(envelope.item(message(value)))["changeset"] == json.loads(value)


class Unreadable(ConsumedMessage):
    """A message with a header whose name is not UTF-8, as the library gives it."""

    def headers(self) -> Any:
        """Raise what confluent-kafka's Message raises then."""
        raise SystemError("returned a result with an exception set")


def test_a_header_whose_name_is_not_utf_8_is_poison_and_no_crash() -> None:
    given = Unreadable(topic="t", partition=0, offset=7, value=dumps(RECORD))
    read = from_kafka(given)
    assert (read.headers, read.value) == ((), dumps(RECORD))
    with pytest.raises(InvalidMessage) as caught:
        envelope.item(read)
    assert caught.value.code == "invalid_header"
    # It has a key all the same, by which it can be put back.
    assert envelope.idempotency_key(read).startswith("kafka:")


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        (dumps(event(type="x" * 500_000)), STRUCTURED),
        (dumps(event(specversion="9" * 500_000)), STRUCTURED),
        (dumps(event()), (("content-type", b"application/cloudevents" + b"x" * 9999),)),
        (b'{"%s":1}' % (b"x" * 500_000), ()),
        (b'{"changes":[{"%s":1}]}' % (b"x" * 500_000), ()),
    ],
)
def test_what_is_said_of_poison_is_short(value: bytes, headers: Any) -> None:
    with pytest.raises(InvalidMessage) as caught:
        envelope.item(message(value, headers=headers))
    assert len(caught.value.detail) < 300


@pytest.mark.parametrize("key", [None, b"", b"\xff" * 70_000])
def test_any_key_will_do(key: bytes | None) -> None:
    sent = dataclasses.replace(message(dumps(RECORD)), key=key)
    assert json.loads(envelope.item(sent))["record"] == RECORD
