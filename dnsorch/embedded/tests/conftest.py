"""Marks what is of the embedded default alone."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder: on the real services it would say no more."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.embedded)
