"""Two states of a zone, side by side."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from dns_records import spool
from dns_records.images import Image, Key
from dns_records.providers.errors import Unreachable

A, B = Key("a.test.", "A"), Key("b.test.", "A")


def test_both_sides_come_back_in_the_order_of_octets() -> None:
    odd = [Key(name, "TXT") for name in ("a-b.test.", "a.test.", "*.test.", "_x.test.")]
    with spool.opened() as states:
        states.add(spool.WANTED, [(key, 60, ["x"]) for key in odd])
        states.add(spool.SERVED, [(key, 60, ["x"]) for key in [*reversed(odd), A]])
        found = list(states.pairs())
        assert (states.count(spool.WANTED), states.count(spool.SERVED)) == (4, 5)
    assert [key for key, _, _ in found] == sorted([*odd, A])
    assert [wanted == served for _, wanted, served in found] == [
        key != A for key in sorted([*odd, A])
    ]


def test_parts_become_one_rrset_and_nothing_counts_twice() -> None:
    with spool.opened() as states:
        parts = [(A, 60, ["2", "1"]), (B, 5, ["1"]), (A, 60, ["3", "1"])]
        states.add(spool.SERVED, parts)
        assert list(states.pairs()) == [
            (A, None, Image(60, ("1", "2", "3"))),
            (B, None, Image(5, ("1",))),
        ]


def test_nothing_is_left_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def broken() -> object:
        yield A, 60, ["1"]
        raise Unreachable("it broke off")

    with pytest.raises(Unreachable), spool.opened() as states:
        assert list(tmp_path.iterdir()) != []
        states.add(spool.SERVED, broken())  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
