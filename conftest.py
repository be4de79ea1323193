"""What all tests have in common: nothing is slow that no test is about, each runs."""

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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse a test that would run nowhere.

    What is ``embedded`` is left out on the real services, what needs them elsewhere.
    """
    lost = [
        item.nodeid
        for item in items
        if item.get_closest_marker("embedded")
        and any(
            str(mark.kwargs.get("reason")).startswith("needs ")
            for mark in item.iter_markers("skipif")
        )
    ]
    if lost:
        raise pytest.UsageError(f"embedded, and yet of the real services: {lost}")
