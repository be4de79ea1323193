"""Variables of the environment that refuse what they do not understand.

django-environ reads ``yess`` as false and lets Python's own errors through for a
misspelt number; here each ends in one sentence that names the variable, its value and
what was expected. A secret is never cast, so no sentence repeats one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

SWITCHES = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off", ""), False),
}
DATABASE_URL = "postgres://USER:PASSWORD@HOST:PORT/NAME or sqlite:////PATH"
DATABASE_SCHEMES = ("postgres", "postgresql", "sqlite")


class StrictEnv(environ.Env):  # type: ignore[misc]
    """Reads a variable as what its settings say it is, or refuses it."""

    def get_value(
        self,
        var: str,
        cast: Any = None,
        default: Any = environ.Env.NOTSET,
        parse_default: bool = False,
    ) -> Any:
        """Return the variable ``var`` as a ``cast``, or ``default`` if it is not set.

        Unlike django-environ's own, it never looks up what ``$OTHER`` names: a secret
        may begin so.

        Raises:
            ImproperlyConfigured: it is no such thing, or needed and not set.
        """
        text = self.ENVIRON.get(var)
        if text is None:
            if default is self.NOTSET:
                raise ImproperlyConfigured(f"set {var}: it has no default")
            return default
        if cast not in EXPECTED:
            return self.parse_value(text, cast)
        expected, parse = EXPECTED[cast]
        try:
            return parse(text)
        except (KeyError, ValueError):
            raise ImproperlyConfigured(
                f"{var} is {text!r}; expected {expected}"
            ) from None

    def choice(self, var: str, choices: Sequence[str], *, default: str) -> str:
        """Return the variable ``var``, which is one of ``choices``.

        Raises:
            ImproperlyConfigured: it is none of them.
        """
        text: str = self.str(var, default=default)
        if text not in choices:
            expected = f"one of {', '.join(choices)}"
            raise ImproperlyConfigured(f"{var} is {text!r}; expected {expected}")
        return text


def database(url: str) -> dict[str, Any]:
    """Return Django's settings for the database at ``url``.

    Raises:
        ImproperlyConfigured: it is no URL of a database that dnsorch runs on. The
            sentence does not repeat it: there is a password in it.
    """
    wrong = ImproperlyConfigured(
        f"DATABASE_URL is no URL of a database; expected {DATABASE_URL}, "
        "with special characters of the password percent-encoded"
    )
    try:
        parts = urlsplit(url)
        if parts.scheme not in DATABASE_SCHEMES or parts.fragment:
            raise wrong
        if parts.scheme == "sqlite" and parts.netloc:
            raise wrong
        found: dict[str, Any] = environ.Env.db_url_config(url)
    except ValueError:
        raise wrong from None
    # In memory, each process would have a database of its own.
    if found["NAME"] in ("", ":memory:"):
        raise wrong
    return found


def _switch(text: str) -> bool:
    return SWITCHES[text.strip().lower()]


def _count(text: str) -> int:
    if not text.strip().isascii() or (found := int(text)) < 0:
        raise ValueError
    return found


def _seconds(text: str) -> float:
    if (found := float(text)) < 0 or not math.isfinite(found):
        raise ValueError
    return found


def _pairs(text: str) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in text.split(",") if pair.strip()]
    if not all(name.strip() and value.strip() for name, _, value in pairs):
        raise ValueError
    return {name.strip(): value.strip() for name, _, value in pairs}


# What a cast takes, in words, and how it is read.
EXPECTED: dict[Any, tuple[str, Callable[[str], Any]]] = {
    bool: ("true or false", _switch),
    int: ("a whole number, 0 or more", _count),
    float: ("a number, 0 or more", _seconds),
    dict: ("NAME=VALUE, several separated by commas", _pairs),
}
