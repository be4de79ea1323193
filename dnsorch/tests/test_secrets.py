"""Secret references: what is read, kept, refused, and never said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from dnsorch import redaction, secrets
from dnsorch.exceptions import SecretUnavailable


@pytest.fixture(autouse=True)
def _empty_cache() -> Iterator[None]:
    secrets.forget()
    yield
    secrets.forget()


def reversed_text(rest: str) -> str:
    """A provider of the tests' own: the secret is the reference read backwards."""
    return rest[::-1]


def no_secret(rest: str) -> str:
    """A provider that breaks its contract."""
    return ""


def test_env_reads_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TSIG_KEY", "c2VjcmV0 ")
    assert secrets.get("env:TSIG_KEY") == "c2VjcmV0 "


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"s3cr3t", "s3cr3t"),
        (b"s3cr3t\n", "s3cr3t"),
        (b"s3cr3t\r\n", "s3cr3t"),
        (b"s3cr3t\n\n", "s3cr3t\n"),
        (b" s3cr3t ", " s3cr3t "),
        ("schlüssel".encode(), "schlüssel"),
    ],
)
def test_file_is_read_without_its_last_newline(
    tmp_path: Path, content: bytes, expected: str
) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    assert secrets.get(f"file:{path}") == expected


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"\n", "the file is empty"),
        (b"\xffhunter2", "not UTF-8 text"),
        (b"x" * (64 * 1024 + 1), "more than 65536 octets"),
    ],
)
def test_file_that_holds_no_secret_is_refused(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(SecretUnavailable) as caught:
        secrets.get(f"file:{path}")
    assert caught.value.detail == f"file:{path}: {reason}"
    assert caught.value.__cause__ is None


def test_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SecretUnavailable) as caught:
        secrets.get(f"file:{tmp_path}/none")
    assert caught.value.detail == f"file:{tmp_path}/none: No such file or directory"


@pytest.mark.parametrize(
    ("reference", "detail"),
    [
        ("env:NOT_SET_ANYWHERE", "env:NOT_SET_ANYWHERE: the variable is not set"),
        ("ftp:hunter2", "there is no secret provider 'ftp'"),
    ],
)
def test_what_cannot_be_read_is_named(reference: str, detail: str) -> None:
    with pytest.raises(SecretUnavailable) as caught:
        secrets.get(reference)
    assert caught.value.detail.startswith(detail)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("reference", ["hunter2", "", "env:", "hunter2:"])
def test_a_malformed_reference_is_not_repeated(reference: str) -> None:
    with pytest.raises(SecretUnavailable) as caught:
        secrets.get(reference)
    assert "hunter2" not in str(caught.value)
    assert "scheme:rest" in str(caught.value)


def test_further_schemes_come_from_the_setting(settings: Settings) -> None:
    settings.DNSORCH_SECRET_PROVIDERS = {"rev": f"{__name__}.reversed_text"}
    assert secrets.get("rev:abc:def") == "fed:cba"


@pytest.mark.parametrize(
    ("path", "detail"),
    [
        (f"{__name__}.no_secret", "own:x: the secret is empty"),
        (f"{__name__}.missing", "the secret provider 'own' cannot be imported"),
    ],
)
def test_a_provider_that_gives_none_fails_closed(
    settings: Settings, path: str, detail: str
) -> None:
    settings.DNSORCH_SECRET_PROVIDERS = {"own": path}
    with pytest.raises(SecretUnavailable) as caught:
        secrets.get("own:x")
    assert caught.value.detail == detail


def test_a_value_is_kept_for_five_minutes_and_read_fresh_on_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr("dnsorch.secrets.store.monotonic", lambda: now)
    monkeypatch.setenv("ROTATED", "before")
    assert secrets.get("env:ROTATED") == "before"
    monkeypatch.setenv("ROTATED", "after")
    now += 299
    assert secrets.get("env:ROTATED") == "before"
    assert secrets.get("env:ROTATED", fresh=True) == "after"
    monkeypatch.setenv("ROTATED", "at last")
    now += 299
    assert secrets.get("env:ROTATED") == "after"
    now += 1
    assert secrets.get("env:ROTATED") == "at last"


def test_a_value_outlives_an_outage_until_it_is_old(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr("dnsorch.secrets.store.monotonic", lambda: now)
    monkeypatch.setenv("FLAKY", "there")
    secrets.get("env:FLAKY")
    monkeypatch.delenv("FLAKY")
    assert secrets.get("env:FLAKY") == "there"
    now += 300
    with pytest.raises(SecretUnavailable):
        secrets.get("env:FLAKY")


def test_known_values_are_what_was_read_except_short_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LONG_ONE", "correct-horse")
    monkeypatch.setenv("SHORT_ONE", "batt")
    secrets.get("env:LONG_ONE")
    secrets.get("env:SHORT_ONE")
    assert "correct-horse" in redaction.known_values()
    assert "batt" not in redaction.known_values()
