"""The text of a token."""

from __future__ import annotations

import re

import pytest

from dnsorch.tokens import text


def test_a_token_has_prefix_178_random_bits_and_a_checksum() -> None:
    token = text.generate()
    assert re.fullmatch(r"dno_[0-9A-Za-z]{36}", token)
    assert 62**30 > 2**178
    assert text.is_well_formed(token)


def test_no_two_tokens_are_the_same() -> None:
    assert len({text.generate() for _ in range(100)}) == 100


def test_the_checksum_is_crc32_in_base_62() -> None:
    # The check value of CRC-32, 0xcbf43926, in base 62.
    assert text._checksum("123456789") == "3jZRME"


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "dno_",
        "dno_" + "0" * 36,
        "DNO_" + "0" * 36,
        "dno_" + "é" * 36,
        "x" * 10_000,
    ],
)
def test_what_is_no_token_is_told_without_the_database(wrong: str) -> None:
    assert not text.is_well_formed(wrong)


def test_one_changed_character_is_noticed() -> None:
    token = text.generate()
    changed = token[:10] + ("a" if token[10] != "a" else "b") + token[11:]
    assert not text.is_well_formed(changed)
    assert not text.is_well_formed(token + "\n")


def test_the_digest_is_sha_256() -> None:
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert text.digest("abc") == expected
