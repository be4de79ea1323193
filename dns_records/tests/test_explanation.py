"""The sentence that says why an RRset is, or is not, what name servers answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dns_records import explanation, serials
from dns_records.explanation import Facts, Server, Verdict, Waiting
from dns_records.images import Image, Key

WWW = Key("www.example.test.", "A")
OLD, NEW, OTHER = (Image(300, (f"192.0.2.{number}",)) for number in (1, 2, 9))
SINCE = "2026-11-26T03:00:00Z"
WANTED = Facts(WWW, "example.test.", NEW, changed=True, old=OLD, since=SINCE)
NEVER = Facts(WWW, "example.test.")
GONE = replace(WANTED, wanted=None)
RIGHT = Server("ns1", 42, NEW, shows=True)
STALE = Server("ns2", 41, OLD)
NOTHING = Server("ns1", 42, shows=True)
WILD = replace(NOTHING, image=OTHER, wildcard="*.example.test.")


def hidden(by: str) -> Server:
    """Return a server for which the name is below ``by``."""
    return Server("ns1", 42, error=f"hidden by {by}", hidden=True)


LIVE: list[tuple[Facts, list[Server], str]] = [
    (WANTED, [RIGHT], f"live on the only name server since {SINCE}"),
    (WANTED, [RIGHT] * 2, f"live on all 2 name servers since {SINCE}"),
    (replace(WANTED, since=""), [RIGHT], "live on the only name server"),
    (GONE, [NOTHING] * 2, f"gone from all 2 name servers since {SINCE}"),
    (NEVER, [NOTHING], "nothing is wanted here, and the only name server has nothing"),
    (
        NEVER,
        [NOTHING] * 2,
        "nothing is wanted here, and all 2 name servers have nothing",
    ),
    (NEVER, [WILD], "absent, as wanted; the wildcard *.example.test. answers"),
    (GONE, [NOTHING, WILD], "absent, as wanted; the wildcard *.example.test. answers"),
    (
        replace(NEVER, cname="cdn.example.net."),
        [NOTHING],
        "absent: www.example.test. is a CNAME, and what cdn.example.net. has is the "
        "answer",
    ),
]
NOT_LIVE: list[tuple[Facts, list[Server], str]] = [
    (Facts(WWW, ""), [], "www.example.test. is not in any registered zone"),
    (WANTED, [], "nobody can tell: example.test. has no name servers to be asked"),
    (WANTED, [RIGHT, STALE], "ns2 still answers the old value, serial 41 < 42"),
    (
        WANTED,
        [replace(RIGHT, serial=3), replace(STALE, serial=2**32 - 1)],
        "ns2 still answers the old value, serial 4294967295 < 3",
    ),
    (
        WANTED,
        [RIGHT, replace(STALE, serial=42)],
        "ns2 still answers the old value, serial 42",
    ),
    (
        WANTED,
        [RIGHT, replace(STALE, serial=None)],
        "ns2 still answers the old value",
    ),
    (
        replace(WANTED, old=None),
        [RIGHT, replace(STALE, image=None)],
        "ns2 does not have it yet, serial 41 < 42",
    ),
    (
        WANTED,
        [RIGHT, replace(STALE, image=None, serial=42)],
        "ns2 does not have it, serial 42",
    ),
    (
        WANTED,
        [RIGHT, replace(STALE, image=OTHER)],
        "ns2 answers something else: 192.0.2.9 (TTL 300), serial 41 < 42",
    ),
    (
        NEVER,
        [NOTHING, replace(STALE, image=OTHER, serial=42)],
        "ns2 answers something else: 192.0.2.9 (TTL 300), serial 42",
    ),
    (
        WANTED,
        [Server("ns1", error="timed out"), STALE],
        "ns1 gives no answer: timed out; ns2 still answers the old value, serial 41",
    ),
    (
        WANTED,
        [hidden("the delegation of sub.example.test.")],
        "hidden by the delegation of sub.example.test.",
    ),
]
WAITING: list[tuple[Waiting, str]] = [
    (Waiting(), "is the next in the lane"),
    (Waiting(ahead=1), "waits in the lane behind 1 request"),
    (Waiting(ahead=3), "waits in the lane behind 3 requests"),
    (Waiting(sent=True, ahead=3), "is on its way to the update server"),
    (
        Waiting(ahead=3, trouble="BADKEY"),
        "waits in the lane behind 3 requests, which is held up: BADKEY",
    ),
]


@pytest.mark.parametrize(
    ("facts", "servers", "live", "sentence"),
    [
        *((facts, servers, True, text) for facts, servers, text in LIVE),
        *((facts, servers, False, text) for facts, servers, text in NOT_LIVE),
    ],
)
def test_what_is_answered(
    facts: Facts, servers: list[Server], live: bool, sentence: str
) -> None:
    verdict = explanation.judge(replace(facts, servers=servers))
    assert verdict == Verdict(live, sentence)


@pytest.mark.parametrize(("waiting", "sentence"), WAITING)
def test_what_the_update_server_does_not_have_yet(
    waiting: Waiting, sentence: str
) -> None:
    facts = replace(WANTED, waiting=waiting, servers=[RIGHT])
    assert explanation.judge(facts) == Verdict(False, sentence)


@pytest.mark.parametrize(
    ("known", "newest"),
    [
        ([], None),
        ([None], None),
        ([None, 7], 7),
        ([7, 8, 6], 8),
        # RFC 1982: 2**32 - 1 comes before 7.
        ([2**32 - 1, 7], 7),
    ],
)
def test_the_newest_serial(known: list[Any], newest: int | None) -> None:
    assert serials.newest(known) == newest
