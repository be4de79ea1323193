"""An outcome as a CloudEvent: what the outcomes topic carries."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Any, Final

from cloudevents.http import CloudEvent
from cloudevents.kafka import to_structured

from dnsorch.tracing import HEADER
from kafka_bridge import payload
from kafka_bridge.producer import Outgoing
from requests_tracker.models import OutboxEvent

CONTENT_TYPE: Final = b"application/cloudevents+json"


def outgoing(
    event: OutboxEvent,
    body: Mapping[str, Any],
    *,
    topic: str,
    source: str,
    began: str = "",
    traceparent: str = "",
) -> Outgoing:
    """Return the message that tells ``event``; ``body`` is the v2 request.

    ``began`` is the traceparent of the request, an attribute of the event as
    CloudEvents' distributed tracing extension has it; ``traceparent`` is that of its
    publication, a header.

    The id depends on the request and its final state alone: an event that is sent
    twice carries it twice, and consumers drop the repeat.
    """
    extension = {HEADER: began} if began else {}
    headers = ((HEADER, traceparent.encode()),) if traceparent else ()
    cloud_event = CloudEvent(
        {
            "specversion": "1.0",
            "id": f"{event.request_id}.{event.type}",
            "source": source,
            "type": f"dnsorch.request.{event.type}",
            "subject": str(event.request_id),
            "time": event.created_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "datacontenttype": "application/json",
            **extension,
        },
        dict(body),
    )
    message = to_structured(cloud_event, envelope_marshaller=payload.encode)
    assert isinstance(message.value, bytes)
    return Outgoing(
        topic=topic,
        key=event.key.encode(),
        value=message.value,
        headers=(("content-type", CONTENT_TYPE), *headers),
    )
