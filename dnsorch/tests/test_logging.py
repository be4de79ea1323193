"""Log lines: one event a line, and no secret in any."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from django.conf import settings

from dnsorch import logging as dnsorch_logging
from dnsorch import secrets
from dnsorch.tokens import text

TOKEN = text.generate()


class Lines:
    """What the handler of the root logger has written."""

    def __init__(self, stream: io.StringIO) -> None:
        self.stream = stream

    @property
    def text(self) -> str:
        """All of it."""
        return self.stream.getvalue()

    def json(self) -> list[dict[str, Any]]:
        """Each line, parsed."""
        return [json.loads(line) for line in self.text.splitlines()]


def _capture(as_json: bool) -> Iterator[Lines]:
    root = logging.getLogger()
    before = list(root.handlers)
    dnsorch_logging.configure({"level": "info", "json": as_json})
    # dictConfig puts its handler in the place of those that pytest has there.
    handler = next(h for h in root.handlers if h.formatter is not None)
    assert isinstance(handler, logging.StreamHandler)
    stream = io.StringIO()
    handler.setStream(stream)
    yield Lines(stream)
    dnsorch_logging.configure(settings.LOGGING)
    root.handlers[:] = before
    structlog.contextvars.clear_contextvars()


@pytest.fixture()
def json_lines() -> Iterator[Lines]:
    """The lines of production."""
    yield from _capture(as_json=True)


@pytest.fixture()
def console_lines() -> Iterator[Lines]:
    """The lines of a developer's terminal."""
    yield from _capture(as_json=False)


def test_an_event_is_one_json_object_with_its_context(json_lines: Lines) -> None:
    structlog.contextvars.bind_contextvars(correlation_id="abc")
    structlog.get_logger("some.module").info("sent", zone="example.test.", octets=512)
    (line,) = json_lines.json()
    at = line.pop("at")
    assert at.endswith("Z")
    assert line == {
        "event": "sent",
        "level": "info",
        "logger": "some.module",
        "correlation_id": "abc",
        "zone": "example.test.",
        "octets": 512,
    }


def test_the_standard_library_ends_in_the_same_lines(json_lines: Lines) -> None:
    structlog.contextvars.bind_contextvars(correlation_id="abc")
    logging.getLogger("celery.worker").warning("lost %s of %d", "one", 2)
    (line,) = json_lines.json()
    assert (line["event"], line["level"]) == ("lost one of 2", "warning")
    assert (line["logger"], line["correlation_id"]) == ("celery.worker", "abc")


def test_below_the_level_nothing_is_written(json_lines: Lines) -> None:
    structlog.get_logger("some.module").debug("whisper")
    logging.getLogger("other").debug("whisper")
    assert json_lines.text == ""


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"secret": "abc"}, {"secret": "[redacted]"}),
        ({"db_password": "abc"}, {"db_password": "[redacted]"}),
        ({"Authorization": "Basic abc"}, {"Authorization": "[redacted]"}),
        ({"token": ["abc"]}, {"token": "[redacted]"}),
        ({"token": 7, "secret": ""}, {"token": 7, "secret": ""}),
        ({"token_id": 7, "secret_reference": "env:A"},) * 2,
        ({"note": f"it was {TOKEN}."}, {"note": "it was dno_[redacted]."}),
        (
            {"headers": {"authorization": "x", "n": [f"<{TOKEN}>"]}},
            {"headers": {"authorization": "[redacted]", "n": ["<dno_[redacted]>"]}},
        ),
        ({"note": "Authorization: Basic abc=="}, {"note": "Authorization: [redacted]"}),
        ({"note": "sent Bearer abc.def"}, {"note": "sent Bearer [redacted]"}),
    ],
)
def test_secrets_are_redacted(
    json_lines: Lines, fields: dict[str, Any], expected: dict[str, Any]
) -> None:
    structlog.get_logger("some.module").info("event", **fields)
    (line,) = json_lines.json()
    assert {key: line[key] for key in expected} == expected


def test_a_known_value_is_redacted_wherever_it_stands(
    json_lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THE_KEY", 'q"uo\\te-secret')
    value = secrets.get("env:THE_KEY")

    class Thing:
        def __repr__(self) -> str:
            return f"Thing({value})"

    log = structlog.get_logger("some.module")
    try:
        raise ValueError(f"bad key {value}")
    except ValueError:
        log.exception(f"event {value}", thing=Thing(), **{value: 1})
    logging.getLogger("other").info("again %s", value)
    first, second = json_lines.json()
    assert first["event"] == "event [redacted]"
    assert first["thing"] == "Thing([redacted])"
    assert first["[redacted]"] == 1
    assert first["exception"].endswith("ValueError: bad key [redacted]")
    assert second["event"] == "again [redacted]"
    assert "uo\\" not in json_lines.text


FORGED = "harmless\n2026-01-01 [info] forged\r\x1b[31m\u2028\x85"


def test_no_value_forges_a_json_line(json_lines: Lines) -> None:
    structlog.get_logger("some.module").info(FORGED, value=FORGED)
    (line,) = json_lines.json()
    assert (line["event"], line["value"]) == (FORGED, FORGED)


def test_no_value_forges_a_console_line(console_lines: Lines) -> None:
    log = structlog.get_logger("some.module")
    log.info(FORGED, value=FORGED, nested={FORGED: FORGED})
    assert len(console_lines.text.splitlines()) == 1
    escaped = r"harmless\\+n2026-01-01 \[info\] forged\\+r\\+x1b"
    assert len(re.findall(escaped, console_lines.text)) == 4
    assert "\x1b" not in console_lines.text


def test_a_console_traceback_stays_behind_its_bar(console_lines: Lines) -> None:
    try:
        raise ValueError(FORGED)
    except ValueError:
        structlog.get_logger("some.module").exception("failed")
    first, *rest = console_lines.text.splitlines()
    assert "failed" in first
    assert rest[0] == "  | Traceback (most recent call last):"
    assert {line[:4] for line in rest} == {"  | "}


def test_django_repeats_no_answer_but_tells_of_failures(json_lines: Lines) -> None:
    log = logging.getLogger("django.request")
    log.warning("Not Found: /x")
    log.error("Internal Server Error: /x", exc_info=ValueError("why"))
    (line,) = json_lines.json()
    assert line["event"] == "Internal Server Error: /x"
    assert line["exception"] == "ValueError: why"
