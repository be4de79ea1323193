"""The secrets that this process knows, and texts without them.

Whoever comes by a secret (a reference that is read, a login, a setting) says so to
:func:`remember`. What leaves the process as text for people goes through
:func:`without_secrets`: log lines, the details of errors and with them problem
documents, requests, timelines and the admin, results of tasks, tracebacks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from threading import Lock
from typing import Any
from urllib.parse import SplitResult, quote, unquote, urlsplit

REDACTED = "[redacted]"
# A shorter one would black out half of every line.
SHORTEST = 6
SECRET_WORDS = frozenset({"password", "secret", "key", "pem"})

_lock = Lock()
_values: frozenset[str] = frozenset()
# As they may stand in a text, longest first: one may be a part of another.
_forms: tuple[str, ...] = ()


def remember(value: str) -> None:
    """Keep ``value`` out of texts from now on.

    For good: a rotated one may still stand in a message on its way.
    """
    global _values, _forms
    if len(value) < SHORTEST or value in _values:
        return
    with _lock:
        _values = _values | {value}
        _forms = tuple(sorted({*_forms, *_written(value)}, key=len, reverse=True))


def remember_setting(text: str) -> None:
    """Remember what is secret in a setting: a URL's password, an option, all of it."""
    for value in _secrets_of(text):
        remember(value)


def known_values() -> frozenset[str]:
    """Return every secret that this process has been told of."""
    return _values


def without_secrets(text: str) -> str:
    """Return ``text`` with every known secret blacked out."""
    for form in _forms:
        if form in text:
            text = text.replace(form, REDACTED)
    return text


def _written(value: str) -> set[str]:
    """Return how a value is written: as it is, in JSON, by ``repr``, in a URL."""
    return {value, json.dumps(value)[1:-1], repr(value)[1:-1], quote(value, safe="")}


def _secrets_of(text: str) -> Iterator[str]:
    try:
        if text.startswith("{"):
            yield from _secret_options(json.loads(text))
        elif "://" in text:
            yield from _passwords(urlsplit(text))
        else:
            yield text
    except ValueError:
        yield text


def _passwords(url: SplitResult) -> Iterator[str]:
    # A password that is the user's name is a habit of development machines.
    if url.password and url.password != url.username:
        yield url.password
        yield unquote(url.password)


def _secret_options(options: Any) -> Iterator[str]:
    """Yield the values of librdkafka's options that are secret by their names."""
    for name, value in options.items():
        if isinstance(value, str) and SECRET_WORDS & set(name.split(".")):
            yield value
