"""Log lines: structured, without secrets, one event a line.

structlog and the standard library's loggers end in the same handler, so that Django,
Celery and granian write as we do. ``json`` is for machines (production); otherwise
the lines are for a developer's terminal. No value can forge a line of its own: JSON
escapes control characters, and the console form escapes them before it renders.

Settings name :func:`configure` as Django's ``LOGGING_CONFIG``.
"""

from __future__ import annotations

import logging.config
import re
import sys
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import structlog
from structlog.typing import EventDict, Processor

from dnsorch import redaction
from dnsorch.redaction import REDACTED

_SECRET_KEY = re.compile(
    r"(?:^|[_.-])(?:secret|password|passwd|token|authorization|cookie|set-cookie)$",
    re.IGNORECASE,
)
_API_TOKEN = re.compile(r"dno_[0-9A-Za-z]{16,}")
_CREDENTIALS = re.compile(
    r"((?:proxy-)?authorization[\"']?\s*[:=]\s*[\"']?)[^\s\"',}]+(?:\s+[^\s\"',}]+)?"
    r"|(\bbearer\s+)[^\s\"',}]+",
    re.IGNORECASE,
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# One list for good: a logger keeps the one that it found on its first use.
_PROCESSORS: list[Processor] = []


def redact(text: str) -> str:
    """Return ``text`` without secrets that were read, API tokens and credentials."""
    text = redaction.without_secrets(text)
    text = _API_TOKEN.sub(f"dno_{REDACTED}", text)
    return _CREDENTIALS.sub(lambda match: (match[1] or match[2] or "") + REDACTED, text)


def _clean(value: Any) -> Any:
    """Return ``value`` redacted, in types that every renderer writes as they are."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {
            redact(str(key)): REDACTED if _is_secret(key, item) else _clean(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(item) for item in value]
    return redact(str(value))


def _is_secret(key: Any, value: Any) -> bool:
    # A number is no secret: a lease's token is one, and worth reading.
    if value is None or value == "" or isinstance(value, bool | int | float):
        return False
    return bool(_SECRET_KEY.search(str(key)))


def redact_event(logger: Any, method: str, event: EventDict) -> EventDict:
    """Redact a whole event: the processor right before the renderer."""
    cleaned: EventDict = _clean(event)
    return cleaned


def _escape(text: str) -> str:
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def escape_event(logger: Any, method: str, event: EventDict) -> EventDict:
    """Escape control characters, for the console, which writes texts as they are.

    A traceback keeps its lines, each behind a bar that no log line begins with.
    """
    trace = event.pop("exception", None)
    escaped = {
        key: _escape(value if isinstance(value, str) else repr(value))
        for key, value in event.items()
    }
    if trace is not None:
        lines = str(trace).splitlines()
        escaped["exception"] = "\n".join(f"  | {_escape(line)}" for line in lines)
    return escaped


class OnlyFailures(logging.Filter):
    """Lets pass what carries a traceback.

    Django repeats every answer of 400 and above in ``django.request``; the access
    line has said that already. What it alone says is which exception was not caught.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether the record is of an exception."""
        return record.exc_info is not None


def configure(options: Mapping[str, Any]) -> None:
    """Set up logging for the process; ``options`` is the setting ``LOGGING``.

    ``level`` is the least level written, ``json`` chooses the form of the lines.
    """
    level, as_json = str(options["level"]).upper(), bool(options["json"])
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.processors.StackInfoRenderer(),
    ]
    last: list[Processor] = (
        [structlog.processors.JSONRenderer()] if as_json else [escape_event, _console()]
    )
    _PROCESSORS[:] = [
        structlog.stdlib.filter_by_level,
        *shared,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ]
    structlog.configure(
        processors=_PROCESSORS,
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    render: list[Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        redact_event,
        *last,
    ]
    logging.config.dictConfig(_dict_config(level, shared, render))
    sys.excepthook = log_uncaught
    threading.excepthook = _log_uncaught_in_thread


def log_uncaught(
    kind: type[BaseException], exc: BaseException, trace: TracebackType | None
) -> None:
    """Log what ends the process: Python itself would write it as it is."""
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, exc, trace)
        return
    logging.getLogger("dnsorch").critical(
        "uncaught exception", exc_info=(kind, exc, trace)
    )


def _log_uncaught_in_thread(caught: threading.ExceptHookArgs) -> None:
    if caught.exc_value is not None:
        log_uncaught(caught.exc_type, caught.exc_value, caught.exc_traceback)


def _console() -> Processor:
    # Colours are for a terminal; in a file they are noise.
    return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), timestamp_key="at")


def _dict_config(
    level: str, shared: list[Processor], render: list[Processor]
) -> dict[str, Any]:
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "dnsorch": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": shared,
                "processors": render,
            }
        },
        "filters": {"only_failures": {"()": OnlyFailures}},
        # Standard error: what a command prints stays alone on standard output.
        "handlers": {
            "stderr": {"class": "logging.StreamHandler", "formatter": "dnsorch"}
        },
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # Django's defaults would write these a second time.
            "django": {"handlers": [], "propagate": True},
            "django.server": {"handlers": [], "propagate": True},
            "django.request": {"filters": ["only_failures"]},
            # A scanner's 400 is no error of ours, and its trace says nothing.
            "django.security.DisallowedHost": {"level": "CRITICAL"},
            "django.security.TooManyFieldsSent": {"level": "CRITICAL"},
            # Celery gives these a handler of its own unless they have one.
            "celery.task": {"handlers": ["stderr"], "propagate": False},
            "multiprocessing": {"handlers": ["stderr"], "propagate": False},
            "httpx": {"level": "WARNING"},
            "httpcore": {"level": "WARNING"},
        },
    }
