"""Files that only their owner may read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dnsorch.embedded import private


def test_a_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "secret"
    private.write(path, "text\n")
    assert path.read_text() == "text\n"
    assert path.stat().st_mode & 0o777 == 0o600


def test_writing_replaces_a_file_that_others_could_read(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("old")
    path.chmod(0o644)
    private.write(path, "new")
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_write_that_fails_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "secret"
    private.write(path, "old")

    def fail(*args: object) -> None:
        raise OSError("no")

    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises(OSError, match="no"):
        private.write(path, "new")
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["secret"]


def test_what_is_kept_stays(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    assert private.keep(path, "first") == "first"
    assert private.keep(path, "second") == "first"
    assert path.stat().st_mode & 0o777 == 0o600
