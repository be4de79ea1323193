"""The ``Prefer`` header (RFC 7240): how long a client wants to wait."""

from __future__ import annotations

LONGEST_WAIT_S = 30


def wait_seconds(header: str) -> int | None:
    """Return the seconds of ``wait=N``, at most 30; None without a valid one.

    A preference that is not understood is ignored (RFC 7240 section 2).
    """
    for preference in header.split(","):
        name, _, value = preference.partition(";")[0].partition("=")
        if name.strip().lower() != "wait":
            continue
        text = value.strip().strip('"')
        if text.isascii() and text.isdecimal() and len(text) <= 9:
            return min(int(text), LONGEST_WAIT_S)
        return None
    return None
