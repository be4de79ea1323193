"""Whether tests run on the real services, which ``deploy/services/env`` names."""

from __future__ import annotations

import os

import pytest

#: In CI a missing service is a failure, never a skip.
REQUIRED = bool(os.environ.get("DNSORCH_TEST_REQUIRE_SERVICES"))
WANTED = REQUIRED or bool(os.environ.get("DNSORCH_SERVICES_DIR"))


def setting(name: str) -> str:
    """Return a variable that ``deploy/services/env`` prints; skip without it."""
    value = os.environ.get(name, "")
    if not value and REQUIRED:
        pytest.fail(f'{name} is not set: eval "$(deploy/services/env)"')
    if not value:
        pytest.skip(f"needs the real services ({name})")
    return value
