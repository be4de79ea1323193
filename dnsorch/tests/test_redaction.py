"""No known secret in a log, an error, an answer, a page, a task's result."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from celery.app.task import Context
from django.conf import settings as django_settings
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.test import RequestFactory
from django_celery_results.models import TaskResult

from dns_records.providers.errors import Misconfigured
from dnsorch import celery_app
from dnsorch import logging as dnsorch_logging
from dnsorch import redaction
from dnsorch.api import errors
from dnsorch.exceptions import Conflict
from dnsorch.tests import planted

# What a careless text may have of it: as it is, in JSON, in a URL, by repr.
PLANTED = 'pl4nted/"se\\cret'
FORMS = [PLANTED, json.dumps(PLANTED), repr(PLANTED), "pl4nted%2F%22se%5Ccret"]
MARK = "pl4nted"


@pytest.fixture(autouse=True)
def _planted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let this process know the secret."""
    with planted.known(monkeypatch, PLANTED):
        yield


@pytest.mark.parametrize("form", FORMS, ids=["plain", "json", "repr", "url"])
def test_every_form_is_blacked_out(form: str) -> None:
    assert MARK in form
    assert MARK not in redaction.without_secrets(f"before {form} after")


def test_of_two_secrets_the_longer_goes_first() -> None:
    redaction.remember("abcdef")
    redaction.remember("abcdefghi")
    assert redaction.without_secrets("<abcdefghi>") == "<[redacted]>"


@pytest.mark.parametrize(
    ("setting", "known", "unknown"),
    [
        ("a-key-of-django", {"a-key-of-django"}, set()),
        ("postgres://me:p%40ssword@db:5432/x", {"p%40ssword", "p@ssword"}, {"db:5432"}),
        ("postgres://dnsorch:dnsorch@db/x", set(), {"dnsorch"}),
        ("redis://127.0.0.1:6379/0", set(), {"redis://127.0.0.1:6379/0"}),
        (
            '{"sasl.password": "of-kafka", "sasl.mechanism": "PLAINTEXT"}',
            {"of-kafka"},
            {"PLAINTEXT"},
        ),
        ('{"sasl.password": {"secret": "file:/run/x"}}', set(), {"file:/run/x"}),
        ("postgres://me:bro[ken@db/x", {"postgres://me:bro[ken@db/x"}, set()),
    ],
)
def test_of_a_setting_what_is_secret_is_known(
    setting: str, known: set[str], unknown: set[str]
) -> None:
    redaction.remember_setting(setting)
    assert known <= redaction.known_values()
    assert not unknown & redaction.known_values()


def test_an_error_is_told_without_it_wherever_it_goes() -> None:
    error = Misconfigured(f"option 'url': {PLANTED} is not one")
    shown = [error.detail, str(error), repr(error), json.dumps(error.as_error())]
    assert not [text for text in shown if MARK in text]
    assert error.detail == "option 'url': [redacted] is not one"


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (Conflict, 409),
        (OperationalError, 503),
        (PermissionDenied, 403),
        (ValueError, 500),
    ],
)
def test_a_problem_document_and_its_log_line(
    kind: type[Exception], status: int, lines: io.StringIO
) -> None:
    request = RequestFactory().get("/api/v2/zones/")
    answer = errors.exception_handler(kind(f"at {PLANTED}"), {"request": request})
    assert answer.status_code == status
    assert MARK not in json.dumps(answer.data)
    assert MARK not in lines.getvalue()


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What the root logger's handler writes, in the form of production."""
    root = logging.getLogger()
    before = list(root.handlers)
    dnsorch_logging.configure({"level": "info", "json": True})
    handler = next(h for h in root.handlers if h.formatter is not None)
    assert isinstance(handler, logging.StreamHandler)
    stream = io.StringIO()
    handler.setStream(stream)
    yield stream
    dnsorch_logging.configure(django_settings.LOGGING)
    root.handlers[:] = before


@pytest.mark.parametrize("logger", ["celery.task.x", "multiprocessing", "kombu"])
def test_celery_finds_our_handler_on_its_loggers(
    lines: io.StringIO, logger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(celery_app.log, "already_setup", False)
    celery_app.log.setup_logging_subsystem()
    handlers = [
        handler
        for name in ("celery.task", "multiprocessing", None)
        for handler in logging.getLogger(name).handlers
        if type(handler) is logging.StreamHandler
    ]
    assert len(set(map(id, handlers))) == 1
    logging.getLogger(logger).error("lost %s", PLANTED)
    (line,) = lines.getvalue().splitlines()
    assert json.loads(line)["event"] == "lost [redacted]"


@pytest.mark.django_db
def test_the_result_of_a_task_is_stored_without_it() -> None:
    backend = celery_app.backend
    trace = f'File "x", line 1\nValueError: {PLANTED}'
    request = Context(argsrepr=repr((PLANTED,)), kwargsrepr="{}")
    backend.store_result("task-1", ValueError(PLANTED), "FAILURE", trace, request)
    row = TaskResult.objects.get(task_id="task-1")
    assert not [text for text in vars(row).values() if MARK in str(text)]
    assert "[redacted]" in row.result and "[redacted]" in row.task_args
    assert row.traceback == 'File "x", line 1\nValueError: [redacted]'


UNCAUGHT = """
import threading, django
django.setup()
from dnsorch import secrets
value = secrets.get("env:PLANTED")
def fail():
    raise ValueError(value)
thread = threading.Thread(target=fail)
thread.start()
thread.join()
fail()
"""


def test_what_ends_a_process_is_a_line_of_the_log() -> None:
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "dnsorch.settings",
        "DNSORCH_LOG_JSON": "true",
    }
    ended = subprocess.run(
        [sys.executable, "-c", UNCAUGHT],
        cwd=django_settings.BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 1
    found: list[dict[str, Any]] = list(map(json.loads, ended.stderr.splitlines()))
    assert [line["event"] for line in found] == ["uncaught exception"] * 2
    for line in found:
        assert line["exception"].endswith("ValueError: [redacted]")
