"""JSON, read strictly."""

from __future__ import annotations

import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsorch.api import strict_json
from dnsorch.api.strict_json import MalformedBody


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"{}", {}),
        (
            b' {"a": [1, -2.5e3, true, null, "x"]} ',
            {"a": [1, -2500.0, True, None, "x"]},
        ),
        ('{"ä": "€😀"}'.encode(), {"ä": "€😀"}),
        (rb'"\ud83d\ude00"', "😀"),
        (b'{"a": {"x": 1}, "b": {"x": 1}}', {"a": {"x": 1}, "b": {"x": 1}}),
        (b"9" * 40, int("9" * 40)),
        (b"[" * 64 + b"]" * 64, None),
    ],
)
def test_what_json_says_is_read(raw: bytes, value: Any) -> None:
    read = strict_json.loads(raw)
    if value is not None:
        assert read == value


@pytest.mark.parametrize(
    ("raw", "pointer", "code", "detail"),
    [
        (b"", "", "invalid_json", "Expecting value (line 1, column 1)"),
        (
            b'{"a": 1,\n  "b" 2}',
            "",
            "invalid_json",
            "Expecting ':' delimiter (line 2, column 7)",
        ),
        (b"{} {}", "", "invalid_json", "Extra data (line 1, column 4)"),
        (b"{'a': 1}", "", "invalid_json", None),
        (b'"a\nb"', "", "invalid_json", None),
        (b"\xef\xbb\xbf{}", "", "invalid_json", None),
        (
            '{"a": 1}'.encode("utf-16"),
            "",
            "invalid_utf8",
            "not UTF-8 (line 1, octet 1)",
        ),
        (b'{"a":\n "x\xff"}', "", "invalid_utf8", "not UTF-8 (line 2, octet 4)"),
        (b'"\xed\xa0\x80"', "", "invalid_utf8", None),
        (b'{"a": 1, "a": 1}', "/a", "duplicate_key", None),
        (
            b'[{"x/y": {"b~": 1, "c": 2, "b~": 3}}]',
            "/0/x~1y/b~0",
            "duplicate_key",
            None,
        ),
        (b'{"a": NaN}', "", "invalid_number", "NaN is not a JSON number"),
        (b"[-Infinity]", "", "invalid_number", "-Infinity is not a JSON number"),
        (b"[1e999]", "", "invalid_number", "1e999 is out of range"),
        (b"9" * 41, "", "invalid_number", None),
        (b"9" * 100_000, "", "invalid_number", None),
        (rb'{"a": ["\ud800"]}', "/a/0", "invalid_character", None),
        (rb'{"a": ["x\udc00y"]}', "/a/0", "invalid_character", None),
        (rb'{"a": "x\u0000"}', "/a", "invalid_character", None),
        (rb'{"a": {"x\u0000": 1}}', "/a", "invalid_character", None),
        (b"[" * 65 + b"]" * 65, "/0" * 64, "too_deep", None),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "/a" * 64, "too_deep", None),
        (b"[" * 500_000, "", "too_deep", None),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(
    raw: bytes, pointer: str, code: str, detail: str | None
) -> None:
    with pytest.raises(MalformedBody) as caught:
        strict_json.loads(raw)
    (reason,) = caught.value.reasons
    assert (reason.pointer, reason.code) == (pointer, code)
    assert detail is None or reason.detail == detail
    assert caught.value.detail.endswith(reason.detail)


def test_an_error_says_which_character() -> None:
    with pytest.raises(MalformedBody, match=r"^/a: has the lone surrogate U\+D800$"):
        strict_json.loads(rb'{"a": "\ud800"}')


@given(st.binary(max_size=40))
def test_any_octets_are_read_or_refused(raw: bytes) -> None:
    try:
        strict_json.loads(raw)
    except MalformedBody as exc:
        assert len(exc.reasons) == 1


@pytest.mark.parametrize(
    ("parts", "expected"),
    [((), ""), (("a", 0), "/a/0"), (("~/", ""), "/~0~1/")],
)
def test_a_pointer_is_escaped(parts: tuple[str | int, ...], expected: str) -> None:
    assert strict_json.pointer(*parts) == expected


def test_many_names_cost_no_more_than_their_number() -> None:
    names = b",".join(b'"%x":1' % number for number in range(30_000))
    begin = time.process_time()
    with pytest.raises(MalformedBody, match="^/752f: named twice"):
        strict_json.loads(b"{" + names + b',"752f":1}')
    # Each name compared with all before it takes half a minute.
    assert time.process_time() - begin < 5


def test_no_more_than_a_body_is_kept_of_it() -> None:
    name = b'{"%s":' % (b"x" * 255)
    raw = name * 60 + b"[" + b",".join([b"1"] * 10_000) + b"]" + b"}" * 60
    tracemalloc.start()
    try:
        strict_json.loads(raw)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # A pointer to each value, made beforehand, takes 150 MiB for these 35 KiB.
    assert most < 100 * len(raw)


def test_a_long_name_is_refused_and_not_repeated() -> None:
    strict_json.loads(b'{"%s": 1}' % (b"x" * 255))
    for raw in (
        b'{"a": [{"%s": 1}]}' % (b"x" * 256),
        b'{"a": [{"%s": 1, "%s": 2}]}' % (b"x" * 300_000, b"x" * 300_000),
    ):
        with pytest.raises(MalformedBody) as caught:
            strict_json.loads(raw)
        (reason,) = caught.value.reasons
        assert (reason.pointer, reason.code) == ("/a/0", "name_too_long")
        shown = f"the name {'x' * 32}… has more than 255 characters"
        assert reason.detail == shown
