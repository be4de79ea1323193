"""``env:NAME``: a secret in a variable of the environment.

Besides the settings this is the one place that reads the environment: which
variables hold secrets stands in the database, and settings cannot know their names.
"""

from __future__ import annotations

import os

from dnsorch.exceptions import SecretUnavailable


def read(rest: str) -> str:
    """Return the value of the variable ``rest``.

    Raises:
        SecretUnavailable: it is not set, or empty.
    """
    value = os.environ.get(rest, "")
    if not value:
        raise SecretUnavailable(f"env:{rest}: the variable is not set, or empty")
    return value
