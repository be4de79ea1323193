"""Spans as the file exporter writes them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_django.fixtures import Settings

from dnsorch import trace_export


@dataclass(frozen=True)
class Seen:
    """One span that was exported."""

    name: str
    kind: str
    trace: str
    id: str
    parent: str
    links: tuple[tuple[str, str], ...]
    failed: bool
    attributes: dict[str, Any]
    process: int
    text: str

    @property
    def reference(self) -> str:
        """How a traceparent refers to it, before the flags."""
        return f"00-{self.trace}-{self.id}"


def referred(traceparent: str | bytes) -> str:
    """Return what a traceparent refers to, without its flags."""
    text = traceparent.decode() if isinstance(traceparent, bytes) else traceparent
    return text.rpartition("-")[0]


def read(path: Path) -> list[Seen]:
    """Return what is in a file, in the order in which it was exported."""
    return [_seen(line) for line in path.read_text().splitlines()]


def _seen(line: str) -> Seen:
    span = json.loads(line)
    context = span["context"]
    return Seen(
        name=span["name"],
        kind=span["kind"].removeprefix("SpanKind."),
        trace=context["trace_id"].removeprefix("0x"),
        id=context["span_id"].removeprefix("0x"),
        parent=(span["parent_id"] or "").removeprefix("0x"),
        links=tuple(
            (
                link["context"]["trace_id"].removeprefix("0x"),
                link["context"]["span_id"].removeprefix("0x"),
            )
            for link in span["links"]
        ),
        failed=span["status"]["status_code"] == "ERROR",
        attributes=span["attributes"],
        process=span["resource"]["attributes"]["process.pid"],
        text=line,
    )


def one(spans: Iterable[Seen], name: str) -> Seen:
    """Return the only span with a name."""
    (found,) = [span for span in spans if span.name == name]
    return found


@dataclass
class Recorder:
    """What this process exports from now on."""

    path: Path

    def spans(self) -> list[Seen]:
        """Return the spans that have ended."""
        trace_export.shutdown()
        return read(self.path) if self.path.exists() else []


@contextmanager
def recorded(settings: Settings, directory: Path) -> Iterator[Recorder]:
    """Export spans to a file while the block runs."""
    recorder = Recorder(directory / "traces.jsonl")
    settings.DNSORCH_TRACE_FILE = str(recorder.path)
    try:
        yield recorder
    finally:
        trace_export.shutdown()
        settings.DNSORCH_TRACE_FILE = ""
