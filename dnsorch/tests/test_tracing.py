"""Spans: whose children they are, what they say, and where they go."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from pytest_django.fixtures import Settings
from structlog.contextvars import get_contextvars
from structlog.testing import capture_logs

from dnsorch import trace_export, tracing
from dnsorch.api import trace
from dnsorch.api.middleware import CorrelationMiddleware
from dnsorch.celery import app
from dnsorch.tests import spans
from dnsorch.tests.spans import Recorder
from dnsorch.tracing import SpanKind

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"


@pytest.fixture
def recorder(settings: Settings, tmp_path: Path) -> Iterator[Recorder]:
    """Export to a file."""
    with spans.recorded(settings, tmp_path) as recorder:
        yield recorder


def test_with_no_exporter_there_are_no_spans_and_the_clients_trace_goes_on() -> None:
    assert not tracing.enabled()
    with tracing.span("outer", parent=PARENT) as span:
        assert not span.is_recording()
        assert tracing.traceparent() == PARENT
        with tracing.span("inner"):
            assert tracing.traceparent() == PARENT
        with tracing.apart():
            assert tracing.traceparent() == ""
        with tracing.span("other", parent=""):
            assert tracing.traceparent() == ""
    assert tracing.traceparent() == ""
    assert tracing.traceparent(tracing.begin("alone", parent=PARENT)) == ""


def test_whose_child_a_span_is(recorder: Recorder) -> None:
    with tracing.span("server", parent=PARENT, kind=SpanKind.SERVER) as server:
        assert tracing.traceparent() == tracing.traceparent(server)
        with tracing.span("inside"):
            pass
        with tracing.span("elsewhere", parent=f"00-{'a' * 32}-{'b' * 16}-01"):
            pass
        with tracing.span("anew", parent=""):
            pass
        with tracing.span("same", parent=tracing.traceparent()):
            pass
        with tracing.apart():
            tracing.begin("apart").end()
    found = {span.name: span for span in recorder.spans()}
    outer = found["server"]
    assert (outer.trace, outer.parent, outer.kind) == (TRACE, SPAN, "SERVER")
    assert (found["inside"].trace, found["inside"].parent) == (TRACE, outer.id)
    assert (found["elsewhere"].trace, found["elsewhere"].parent) == (
        "a" * 32,
        "b" * 16,
    )
    assert found["anew"].parent == found["apart"].parent == ""
    assert len({found[name].trace for name in ("server", "anew", "apart")}) == 3
    # Who ran it is linked, unless that is the parent.
    ran = ((TRACE, outer.id),)
    assert {name: span.links for name, span in found.items()} == {
        "server": (),
        "inside": (),
        "elsewhere": ran,
        "anew": ran,
        "same": (),
        "apart": (),
    }


def test_a_failure_is_told_without_its_text(recorder: Recorder) -> None:
    with pytest.raises(ValueError), tracing.span("failing", parent=""):
        raise ValueError("hunter2")
    failing = spans.one(recorder.spans(), "failing")
    assert failing.failed
    assert failing.attributes == {"error.type": "ValueError"}
    assert "hunter2" not in failing.text


def test_an_unsampled_trace_is_carried_and_not_exported(recorder: Recorder) -> None:
    with tracing.span("quiet", parent=f"00-{TRACE}-{SPAN}-00"):
        version, trace, span, flags = tracing.traceparent().split("-")
    assert (trace, flags) == (TRACE, "00")
    assert span != SPAN
    assert recorder.spans() == []


def test_an_answer_is_a_span(recorder: Recorder) -> None:
    seen: dict[str, Any] = {}

    def view(request: HttpRequest) -> HttpResponse:
        seen.update(get_contextvars(), carried=trace.of(request).traceparent)
        return HttpResponse(status=503)

    def get(path: str) -> None:
        request = RequestFactory().get(path, headers={"traceparent": PARENT})
        CorrelationMiddleware(view)(request)

    get("/api/?key=hunter2")
    server = spans.one(recorder.spans(), "GET unmatched")
    assert (server.trace, server.parent) == (TRACE, SPAN)
    assert server.failed
    assert server.attributes["http.response.status_code"] == 503
    assert "hunter2" not in server.text
    assert seen["carried"] == seen["traceparent"]
    assert spans.referred(seen["carried"]) == server.reference
    assert seen["trace_id"] == TRACE
    get("/livez")
    assert len(recorder.spans()) == 1
    assert seen["carried"] == PARENT


@pytest.mark.parametrize("exporting", [True, False])
def test_a_task_carries_the_trace_of_its_publisher(
    exporting: bool, settings: Settings, tmp_path: Path
) -> None:
    seen: list[str] = []

    @app.task(name="test.traced")
    def traced() -> None:
        seen.append(get_contextvars()["trace_id"])

    headers: dict[str, Any] = {}
    try:
        if exporting:
            settings.DNSORCH_TRACE_FILE = str(tmp_path / "traces.jsonl")
        with tracing.span("publisher", parent=PARENT):
            sent = tracing.traceparent()
            from dnsorch.celery import carry_trace

            carry_trace(headers=headers)
        assert headers == {"traceparent": sent}
        task = app.tasks["test.traced"]
        task.push_request(**headers)
        try:
            task()
        finally:
            task.pop_request()
    finally:
        app.tasks.pop("test.traced")
        trace_export.shutdown()
    assert seen == [TRACE]
    if exporting:
        found = spans.read(tmp_path / "traces.jsonl")
        ran = spans.one(found, "run test.traced")
        assert (ran.parent, ran.kind) == (sent[36:52], "CONSUMER")


# Celery forks as well, and the SDK's thread is what this is about.
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_process_that_forks_leaves_its_child_nothing(recorder: Recorder) -> None:
    with tracing.span("parent", parent=""):
        pass
    child = os.fork()
    if not child:
        try:
            with tracing.span("child", parent=""):
                pass
            tracing.shutdown()
        finally:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    found = {span.name: span.process for span in recorder.spans()}
    assert found == {"parent": os.getpid(), "child": child}


class Failing(SpanExporter):
    """Fails, then works, as told."""

    def __init__(self, *results: SpanExportResult | Exception) -> None:
        self.results = list(results)

    def export(self, spans: Any) -> SpanExportResult:
        """Do what comes next."""
        result = self.results.pop(0)
        if isinstance(result, Exception):
            raise result
        return result


def test_an_exporter_that_fails_is_told_once() -> None:
    failure, success = SpanExportResult.FAILURE, SpanExportResult.SUCCESS
    results: list[SpanExportResult | Exception]
    results = [success, failure, OSError("disk full"), failure, success, failure]
    exporter = trace_export.Reporting(Failing(*results), "file")
    with capture_logs() as logs:
        got = [exporter.export([]) for _ in results]
    assert got == [success, failure, failure, failure, success, failure]
    assert [line["event"] for line in logs] == [
        "traces are lost",
        "traces are taken again",
        "traces are lost",
    ]


def test_a_collector_that_is_away_costs_a_line(
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.2")
    settings.OTEL_EXPORTER_OTLP_ENDPOINT = "http://127.0.0.1:1"
    with capture_logs() as logs:
        for _ in range(3):
            with tracing.span("lost", parent=""):
                pass
        trace_export.shutdown()
    assert [line["event"] for line in logs] == ["traces are lost"]
    assert caplog.records == []


def test_a_collector_that_hangs_does_not_hold_up_the_end(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trace_export, "LAST_EXPORT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        settings.OTEL_EXPORTER_OTLP_ENDPOINT = f"http://127.0.0.1:{port}"
        with tracing.span("stuck", parent=""):
            pass
        began = time.monotonic()
        trace_export.shutdown()
        assert time.monotonic() - began < 2
        connection, _ = server.accept()
        with connection:
            request = connection.recv(100)
    assert request.startswith(b"POST /v1/traces HTTP/1.1\r\n")
