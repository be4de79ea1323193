"""``file:PATH``: a secret in a file, as Kubernetes and Docker mount it."""

from __future__ import annotations

from pathlib import Path

from dnsorch.exceptions import SecretUnavailable

MAX_OCTETS = 64 * 1024


def read(rest: str) -> str:
    """Return what the file ``rest`` holds, without one newline at its end.

    Raises:
        SecretUnavailable: it cannot be read, is empty, too large or not UTF-8.
    """
    reference = f"file:{rest}"
    try:
        with Path(rest).open("rb") as file:
            octets = file.read(MAX_OCTETS + 1)
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or "not a path"
        raise SecretUnavailable(f"{reference}: {reason}") from None
    if len(octets) > MAX_OCTETS:
        raise SecretUnavailable(f"{reference}: more than {MAX_OCTETS} octets")
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        # Not chained: that error carries the octets.
        raise SecretUnavailable(f"{reference}: not UTF-8 text") from None
    value = text.removesuffix("\n").removesuffix("\r")
    if not value:
        raise SecretUnavailable(f"{reference}: the file is empty")
    return value
