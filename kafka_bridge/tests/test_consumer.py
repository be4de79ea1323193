"""The consumer between a real (mock) Kafka and an API over HTTP."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from dnsorch.exceptions import SecretUnavailable
from kafka_bridge.client import Answer
from kafka_bridge.message import Partition
from kafka_bridge.tests.support import (
    QUICK,
    FakeApi,
    Member,
    Reply,
    Topics,
    accepted,
    changeset,
    codes,
    committed,
    problem,
    produce,
    produce_changesets,
    read,
    results,
)

NAMES = ["a", "b", "c", "d"]


def ready(member: Member) -> bool:
    return member.consumer.ready


def test_messages_become_one_batch_in_order(topics: Topics, api: FakeApi) -> None:
    produce_changesets(topics, NAMES)
    with Member(topics, api.url) as member:
        member.drain()
        assert ready(member)
    assert [posted.names for posted in api.posted] == [NAMES]
    assert len(set(api.effects)) == 4
    assert committed(topics) == {0: 4}
    assert read(topics, topics.dlq) == []


def test_batch_size_bounds_each_post(topics: Topics, api: FakeApi) -> None:
    produce_changesets(topics, NAMES)
    with Member(topics, api.url, batch_size=3) as member:
        member.drain()
    assert [posted.names for posted in api.posted] == [["a", "b", "c"], ["d"]]


def test_a_batch_stays_under_900_kib(topics: Topics, api: FakeApi) -> None:
    # Two fit: 2 * (300 KiB + envelope) < 900 KiB, three do not.
    values = [
        json.dumps(changeset(name) | {"comment": "x" * 300 * 1024}).encode()
        for name in NAMES
    ]
    produce(topics, values)
    with Member(topics, api.url) as member:
        member.drain()
    assert [name for posted in api.posted for name in posted.names] == NAMES
    assert max(len(posted.items) for posted in api.posted) == 2


def test_a_restart_redelivers_only_what_was_not_committed(
    topics: Topics, api: FakeApi
) -> None:
    produce_changesets(topics, ["a", "b"])
    with Member(topics, api.url) as member:
        member.drain()
    produce_changesets(topics, ["c"])
    with Member(topics, api.url) as member:
        member.drain()
    assert [posted.names for posted in api.posted] == [["a", "b"], ["c"]]


def test_redelivery_carries_the_same_keys(topics: Topics, api: FakeApi) -> None:
    produce_changesets(topics, ["a", "b"])
    for group in ("one", "two"):
        with Member(topics, api.url, group=f"{topics.requests}-{group}") as member:
            member.drain()
    first, second = ([i["idempotency_key"] for i in p.items] for p in api.posted)
    assert first == second
    assert api.effects == first


def test_poison_goes_to_the_dead_letters_untouched(
    topics: Topics, api: FakeApi
) -> None:
    good = json.dumps(changeset("good")).encode()
    poison: list[bytes | None] = [None, b"", b"\xff", b"{", b"[]", b"[" * 9_999, b"{}"]
    produce(topics, [*poison, good], headers=(("trace", b"1"), ("trace", None)))
    with Member(topics, api.url) as member:
        member.drain()
    letters = read(topics, topics.dlq)
    assert [letter.value for letter in letters] == poison
    assert codes(letters) == [
        b"empty_message",
        b"empty_message",
        b"not_utf8",
        b"invalid_json",
        b"not_an_object",
        b"nesting_too_deep",
        b"unknown_type",
    ]
    assert {letter.key for letter in letters} == {b"example.test."}
    (third,) = [letter for letter in letters if letter.value == b"\xff"]
    timestamp = third.header("dnsorch-dlq-timestamp") or b""
    assert timestamp.isdigit()
    assert third.headers == (
        ("trace", b"1"),
        ("trace", None),
        ("dnsorch-dlq-topic", topics.requests.encode()),
        ("dnsorch-dlq-partition", b"0"),
        ("dnsorch-dlq-offset", b"2"),
        ("dnsorch-dlq-timestamp", timestamp),
        ("dnsorch-dlq-code", b"not_utf8"),
        ("dnsorch-dlq-detail", b"not UTF-8 (line 1, octet 1)"),
        ("dnsorch-dlq-request-id", b""),
        ("dnsorch-dlq-attempts", b"0"),
    )
    assert [posted.names for posted in api.posted] == [["good"]]
    assert committed(topics) == {0: 8}


def test_a_tracked_rejection_goes_to_the_dead_letters(
    topics: Topics, api: FakeApi
) -> None:
    api.script = [
        results(accepted(0), problem(404, "zone_not_found", "019a"), accepted(2))
    ]
    produce_changesets(topics, ["a", "b", "c"])
    with Member(topics, api.url) as member:
        member.drain()
    (letter,) = read(topics, topics.dlq)
    assert json.loads(letter.value or b"") == changeset("b")
    assert letter.header("dnsorch-dlq-code") == b"zone_not_found"
    assert letter.header("dnsorch-dlq-detail") == b"it is zone_not_found"
    assert letter.header("dnsorch-dlq-request-id") == b"019a"
    assert letter.header("dnsorch-dlq-attempts") == b"1"
    assert len(api.posted) == 1
    assert committed(topics) == {0: 3}


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(problem(409, "idempotency_in_progress"), id="409"),
        pytest.param(problem(429, "throttled"), id="429"),
        pytest.param(problem(503, "database_busy"), id="503"),
        pytest.param(problem(400, "untracked"), id="400-untracked"),
    ],
)
def test_an_item_that_has_to_wait_is_posted_again_in_order(
    topics: Topics, api: FakeApi, failure: dict[str, Any]
) -> None:
    blocked = problem(424, "earlier_item_failed")
    api.script = [
        results(accepted(0), failure, blocked, blocked),
        results(failure, blocked, blocked),
    ]
    produce_changesets(topics, NAMES)
    with Member(topics, api.url) as member:
        member.drain()
    assert [posted.names for posted in api.posted] == [NAMES, NAMES[1:], NAMES[1:]]
    keys = [[item["idempotency_key"] for item in p.items] for p in api.posted]
    assert keys[1] == keys[2] == keys[0][1:]
    assert read(topics, topics.dlq) == []
    assert committed(topics) == {0: 4}


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(Reply(503, {}, {"Retry-After": "0"}), id="503"),
        pytest.param(Reply(500, b"<html>"), id="500"),
        pytest.param(Reply(0), id="hung-up"),
        pytest.param(Reply(207, {"results": []}), id="207-without-results"),
        pytest.param(Reply(200, b"<html>log in</html>"), id="200-of-a-proxy"),
        pytest.param(Reply(302, b"", {"Location": "/"}), id="redirect"),
        pytest.param(Reply(429, {}), id="429"),
    ],
)
def test_a_batch_without_an_answer_is_posted_again(
    topics: Topics, api: FakeApi, reply: Reply
) -> None:
    api.script = [reply, reply]
    produce_changesets(topics, NAMES)
    with Member(topics, api.url) as member:
        member.drain()
        assert ready(member)
    assert [posted.names for posted in api.posted] == [NAMES] * 3
    assert committed(topics) == {0: 4}


def test_a_timeout_is_posted_again_with_the_same_keys(
    topics: Topics, api: FakeApi
) -> None:
    def effect_without_answer(items: list[dict[str, Any]]) -> Reply:
        api.accept(items)
        return Reply(0)

    api.script = [effect_without_answer]
    produce_changesets(topics, ["a", "b"])
    with Member(topics, api.url) as member:
        member.drain()
    assert [posted.names for posted in api.posted] == [["a", "b"], ["a", "b"]]
    assert len(api.effects) == 2


def test_a_batch_that_takes_too_long_is_halved(topics: Topics, api: FakeApi) -> None:
    over = threading.Event()

    def slow(items: list[dict[str, Any]]) -> Reply:
        over.wait(30)
        return api.accept(items)

    api.script = [slow, slow]
    produce_changesets(topics, NAMES)
    try:
        with Member(topics, api.url, timeout_s=1.0) as member:
            member.drain()
    finally:
        over.set()
    # All of it, half of it, then one; with each success more again.
    assert [posted.names for posted in api.posted] == [
        NAMES,
        NAMES[:2],
        NAMES[:1],
        NAMES[1:3],
        NAMES[3:],
    ]
    assert committed(topics) == {0: 4}


def test_one_waiting_partition_does_not_hold_up_another(
    topics: Topics, api: FakeApi
) -> None:
    def only_partition_1(items: list[dict[str, Any]]) -> Reply:
        return results(
            *(
                (
                    problem(503, "database_busy")
                    if item["changeset"]["changes"][0]["name"] == "slow"
                    else api._result(item)
                )
                for item in items
            )
        )

    api.script = [only_partition_1] * 3
    produce_changesets(topics, ["slow"], partition=0)
    produce_changesets(topics, ["quick"], partition=1)
    with Member(topics, api.url) as member:
        member.drain()
    posts = [name for posted in api.posted for name in posted.names]
    assert posts.count("quick") == 1
    assert posts.count("slow") == 4 - (api.posted[0].names == ["quick"])
    assert committed(topics) == {0: 1, 1: 1}


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured(topics: Topics, api: FakeApi, status: int) -> None:
    produce_changesets(topics, ["a"])
    api.script = [Reply(status, {}, {"Retry-After": "86400"})]
    with Member(topics, api.url) as member:
        pauses: list[tuple[set[Partition], float]] = []
        pause = member.assignment.pause

        def recorded(partitions: Any, delay_s: float) -> None:
            pauses.append((set(partitions), delay_s))
            pause(partitions, delay_s)

        member.assignment.pause = recorded  # type: ignore[method-assign]
        member.drain()
    # Its own back-off would be 0.01 s; a day is cut to the longest it grants.
    assert pauses == [({Partition(topics.requests, 0)}, QUICK.longest_asked_s)]
    assert [posted.names for posted in api.posted] == [["a"], ["a"]]


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(Reply(401, {}), id="401"),
        pytest.param(Reply(403, {}), id="403"),
        pytest.param(Reply(404, b"nginx"), id="404"),
        pytest.param(results(problem(401, "invalid_token")), id="item-401"),
        pytest.param(results(problem(403, "forbidden")), id="item-403"),
        pytest.param(results(problem(404, "not_found")), id="item-404"),
    ],
)
def test_a_wrong_token_or_url_stops_everything_and_buries_nothing(
    topics: Topics, api: FakeApi, reply: Reply
) -> None:
    produce_changesets(topics, ["a"])
    api.script = [reply, reply, reply]
    with Member(topics, api.url) as member:
        member.until(lambda: len(api.posted) == 3)
        assert not ready(member)
        assert all(
            member.assignment[partition].paused
            for partition in member.assignment.partitions
        )
        member.drain()
        assert ready(member)
    assert [posted.names for posted in api.posted] == [["a"]] * 4
    assert read(topics, topics.dlq) == []
    assert committed(topics) == {0: 1}


def test_without_a_token_nothing_is_posted_and_nothing_is_lost(
    topics: Topics, api: FakeApi
) -> None:
    missing = 2
    produce_changesets(topics, ["a"])
    with Member(topics, api.url) as member:
        post = member.api.post

        def no_token(items: Any) -> Answer:
            nonlocal missing
            if missing:
                missing -= 1
                raise SecretUnavailable("env:KAFKA_API_TOKEN: not set")
            return post(items)

        member.consumer._api.post = no_token  # type: ignore[method-assign]
        member.until(lambda: missing == 1)
        assert not ready(member)
        member.drain()
    assert [posted.names for posted in api.posted] == [["a"]]


def refuse_together(items: list[dict[str, Any]]) -> Reply:
    """Refuse any batch that contains the name "bad", as a strict parser would."""
    bad = [i for i in items if i["changeset"]["changes"][0]["name"] == "bad"]
    assert bad
    error = {"pointer": "/items/0", "code": "invalid", "detail": "bad"}
    body = {"code": "invalid", "detail": "bad item", "errors": [error]}
    return Reply(400, body, {}, "application/problem+json")


def test_a_batch_refused_as_a_whole_is_halved_down_to_the_message(
    topics: Topics, api: FakeApi
) -> None:
    def strict(items: list[dict[str, Any]]) -> Reply:
        names = [item["changeset"]["changes"][0]["name"] for item in items]
        return refuse_together(items) if "bad" in names else api.accept(items)

    api.script = [strict] * 50
    produce_changesets(topics, ["a", "b", "c", "d", "e", "bad", "f", "g"])
    with Member(topics, api.url) as member:
        member.drain()
    sizes = [len(posted.items) for posted in api.posted]
    assert sizes[:3] == [8, 4, 4]
    (letter,) = read(topics, topics.dlq)
    assert json.loads(letter.value or b"") == changeset("bad")
    assert letter.header("dnsorch-dlq-code") == b"invalid"
    assert len(api.effects) == 7
    accepted_names = [
        name
        for posted in api.posted
        if "bad" not in posted.names
        for name in posted.names
    ]
    assert accepted_names == ["a", "b", "c", "d", "e", "f", "g"]
    assert committed(topics) == {0: 8}


def test_a_413_of_a_proxy_never_buries_a_message(topics: Topics, api: FakeApi) -> None:
    api.script = [Reply(413, b"<html>", {}, "text/html")] * 3
    produce_changesets(topics, ["a", "b"])
    with Member(topics, api.url) as member:
        member.drain()
    assert [p.names for p in api.posted] == [["a", "b"], ["a"], ["a"], ["a"], ["b"]]
    assert read(topics, topics.dlq) == []
    assert committed(topics) == {0: 2}


def test_a_single_message_that_is_too_large_for_the_api(
    topics: Topics, api: FakeApi
) -> None:
    body = {"code": "body_too_large", "detail": "at most 1 MiB"}
    api.script = [Reply(413, body, {}, "application/problem+json")]
    produce_changesets(topics, ["a"])
    with Member(topics, api.url) as member:
        member.drain()
    assert codes(read(topics, topics.dlq)) == [b"body_too_large"]
    assert committed(topics) == {0: 1}
