"""From a Kafka message to an item of ``POST /api/v2/changesets/batch/``.

CloudEvents 1.0 (Kafka protocol binding, version 1.0.2) in structured and in binary
mode is read with the CloudEvents SDK; plain JSON without an envelope is told apart
by its fields. What is inside the change set or record is the API's to judge.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from cloudevents.exceptions import GenericException
from cloudevents.http import CloudEvent
from cloudevents.kafka import KafkaMessage, from_binary, from_structured

from kafka_bridge import payload
from kafka_bridge.exceptions import (
    EmptyMessage,
    InvalidCloudEvent,
    InvalidHeader,
    InvalidMessage,
    MessageTooLarge,
    NotAnObject,
    UnknownType,
    UnsupportedCloudEvent,
)
from kafka_bridge.message import Message

CHANGESET_TYPE: Final = "dnsorch.changeset.requested"
RECORD_TYPE: Final = "dnsorch.record.requested"
#: A batch's JSON stays under this, and so does one item: the API takes 1 MiB.
MAX_OCTETS: Final = 900 * 1024

_MEMBERS: Final = {CHANGESET_TYPE: "changeset", RECORD_TYPE: "record"}
_REQUIRED: Final = ("id", "source", "type", "specversion")
_STRUCTURED: Final = "application/cloudevents"
_IDEMPOTENCY_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")
_CORRELATION_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")
# W3C Trace Context: version 00 and what a later version starts with.
_TRACEPARENT: Final = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)


@dataclass(frozen=True)
class Request:
    """What a message asks for.

    ``member`` is ``changeset`` or ``record``; ``source`` and ``id`` are the
    CloudEvents attributes, empty without an envelope.
    """

    member: str
    data: dict[str, Any]
    source: str = ""
    id: str = ""
    traceparent: str = ""


def item(
    message: Message, trace: Callable[[str], str] = lambda traceparent: traceparent
) -> bytes:
    """Return the JSON of the batch item that ``message`` asks for.

    ``trace`` makes the item's traceparent of the message's; "" is none.

    Raises:
        InvalidMessage: the message is poison; the subclass says why.
    """
    request = read(message)
    members: dict[str, str] = {"idempotency_key": _key(message, request)}
    if correlation_id := _text(message, "correlation-id", _CORRELATION_ID):
        members["correlation_id"] = correlation_id
    traceparent = _text(message, "traceparent", _TRACEPARENT)
    if not traceparent and _TRACEPARENT.fullmatch(request.traceparent):
        traceparent = request.traceparent
    if traceparent := trace(traceparent):
        members["traceparent"] = traceparent
    if request.source:
        members["on_behalf_of"] = request.source
    octets = payload.encode({**members, request.member: request.data})
    if len(octets) > MAX_OCTETS:
        raise MessageTooLarge(_size(len(octets)))
    return octets


def idempotency_key(message: Message) -> str:
    """Return the key under which the API knows ``message``, decodable or not.

    Raises:
        InvalidHeader: the message names a key that is none.
    """
    try:
        request = read(message)
    except InvalidMessage:
        request = None
    return _key(message, request)


def read(message: Message) -> Request:
    """Decode the envelope and tell what kind of request it holds.

    Raises:
        InvalidMessage: the message is poison; the subclass says why.
    """
    value = message.value
    if not message.headers_readable:
        raise InvalidHeader("the name of a header is not UTF-8")
    if value is None:
        raise EmptyMessage("the message is a tombstone (null value)")
    if len(value) > MAX_OCTETS:
        raise MessageTooLarge(_size(len(value)))
    content_type = _content_type(message)
    binary = any(name.lower().startswith("ce_") for name, _ in message.headers)
    if not value.strip():
        raise EmptyMessage("the value is empty")
    if content_type.startswith(_STRUCTURED):
        if content_type not in (_STRUCTURED, f"{_STRUCTURED}+json"):
            raise UnsupportedCloudEvent(
                f"the content type is {content_type[:64]}; "
                f"expected {_STRUCTURED}+json"
            )
        return _structured(_object(payload.parse(value)))
    if binary:
        return _binary(message, payload.parse(value))
    members = _object(payload.parse(value))
    if "changes" in members:
        return Request("changeset", members)
    if "action" in members:
        return Request("record", members)
    if "specversion" in members:
        # An event whose producer could not set the content type.
        return _structured(members)
    raise UnknownType(
        "neither a CloudEvent nor an object with the member 'changes' or 'action'"
    )


def _structured(members: dict[str, Any]) -> Request:
    _check_required(members)
    # The SDK would take every header for an attribute; the attributes of a
    # structured event are in its envelope alone.
    message = KafkaMessage(headers={}, key=None, value=b"")
    try:
        event = from_structured(message, envelope_unmarshaller=lambda _: members)
    except GenericException as error:
        raise InvalidCloudEvent("data_base64 is not base64") from error
    if isinstance(event.data, bytes):
        event.data = payload.parse(event.data)
    return _request(event)


def _binary(message: Message, data: Any) -> Request:
    attributes = {
        name.lower(): _decoded(name, value or b"")
        for name, value in message.headers
        if name.lower().startswith("ce_")
    }
    _check_required({name[3:]: value for name, value in attributes.items()})
    headers = {name: value.encode() for name, value in attributes.items()}
    event = from_binary(
        KafkaMessage(headers=headers, key=None, value=b""),
        data_unmarshaller=lambda _: data,
    )
    return _request(event)


def _check_required(attributes: dict[str, Any]) -> None:
    # Checked here because the SDK makes up a missing id, and a new one for each
    # redelivery would act twice.
    for name in _REQUIRED:
        value = attributes.get(name)
        if not isinstance(value, str) or not value:
            raise InvalidCloudEvent(
                f"the attribute {name!r} is missing, empty or not a string"
            )
    if attributes["specversion"] != "1.0":
        raise UnsupportedCloudEvent(
            f"specversion is {attributes['specversion'][:64]!r}; expected '1.0'"
        )


def _request(event: CloudEvent) -> Request:
    attributes = event.get_attributes()
    member = _MEMBERS.get(attributes["type"])
    if member is None:
        raise UnknownType(
            f"the type is {attributes['type'][:64]!r}; "
            f"expected {' or '.join(_MEMBERS)}"
        )
    traceparent = attributes.get("traceparent")
    return Request(
        member=member,
        data=_object(event.get_data()),
        source=attributes["source"],
        id=attributes["id"],
        traceparent=traceparent if isinstance(traceparent, str) else "",
    )


def _key(message: Message, request: Request | None) -> str:
    header = message.header("idempotency-key")
    if header is not None:
        text = _decoded("idempotency-key", header)
        if not _IDEMPOTENCY_KEY.fullmatch(text):
            raise InvalidHeader(
                "idempotency-key is not 1 to 255 visible ASCII characters"
            )
        return text
    if request is not None and request.id:
        return "ce:" + _digest(request.source.encode(), request.id.encode())
    return "kafka:" + _digest(
        message.partition.topic.encode(),
        str(message.partition.number).encode(),
        str(message.offset).encode(),
        str(message.timestamp).encode(),
        message.value or b"",
    )


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _content_type(message: Message) -> str:
    header = message.header("content-type") or b""
    return header.decode("latin-1").partition(";")[0].strip().lower()


def _text(message: Message, name: str, pattern: re.Pattern[str]) -> str:
    """Return a header that only helps to follow the request, empty if malformed."""
    text = (message.header(name) or b"").decode("latin-1")
    return text if pattern.fullmatch(text) else ""


def _decoded(name: str, value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidHeader(f"the header {name} is not UTF-8") from error


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise NotAnObject("the request is not a JSON object")
    return value


def _size(octets: int) -> str:
    return f"the request has {octets} octets; at most {MAX_OCTETS} are taken"
