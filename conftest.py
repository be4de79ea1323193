"""What all tests have in common: nothing is slow that no test is about."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import override_settings


@pytest.fixture(scope="session", autouse=True)
def _quick() -> Iterator[None]:
    """Hash passwords for no attacker, and look up no static file before it is asked."""
    with override_settings(
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        WHITENOISE_AUTOREFRESH=True,
    ):
        yield
