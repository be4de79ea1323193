"""The batch endpoint over real HTTP: exact requests, every kind of answer."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from kafka_bridge.client import Answer, ApiClient, ItemResult
from kafka_bridge.tests.support import FakeApi, Reply, accepted, results

ITEM = b'{"idempotency_key":"k","changeset":{"changes":[{"name":"www"}]}}'


def client(url: str, timeout_s: float = 5.0) -> ApiClient:
    return ApiClient(url, token=lambda fresh: "dno_test", timeout_s=timeout_s)


def test_the_request(api: FakeApi) -> None:
    poster = client(api.url)
    answer = poster.post([ITEM, ITEM.replace(b'"k"', b'"l"')])
    poster.close()
    assert answer.results == (
        ItemResult(202, {"id": "id-0"}),
        ItemResult(202, {"id": "id-1"}),
    )
    (posted,) = api.posted
    assert posted.path == "/api/v2/changesets/batch/"
    assert [item["idempotency_key"] for item in posted.items] == ["k", "l"]
    assert posted.headers["authorization"] == "Bearer dno_test"
    assert posted.headers["content-type"] == "application/json"
    assert posted.headers["accept"] == "application/json"
    assert len(posted.headers["x-request-id"]) == 32
    assert "idempotency-key" not in posted.headers


def test_each_post_has_a_request_id_of_its_own(api: FakeApi) -> None:
    poster = client(api.url)
    poster.post([ITEM])
    poster.post([ITEM])
    poster.close()
    first, second = (posted.headers["x-request-id"] for posted in api.posted)
    assert first != second


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (
            Reply(400, {"code": "x", "detail": "y"}, {}, "application/problem+json"),
            Answer(400, problem={"code": "x", "detail": "y"}, detail="HTTP 400 x: y"),
        ),
        (Reply(400, {"code": "x"}), Answer(400, detail="HTTP 400")),
        (
            Reply(502, b"<html>", {"Retry-After": "7"}, "text/html"),
            Answer(502, retry_after=7.0, detail="HTTP 502"),
        ),
        (
            Reply(413, b"", {"Retry-After": "soon"}, "application/problem+json"),
            Answer(413, detail="HTTP 413"),
        ),
        (
            Reply(302, b"", {"Location": "/login", "Retry-After": "-1"}),
            Answer(302, detail="HTTP 302"),
        ),
        (results(), Answer(207, detail="HTTP 207 without 1 results")),
        (
            results(accepted(1), accepted(2)),
            Answer(207, detail="HTTP 207 without 1 results"),
        ),
        (
            results({"status": "202"}),
            Answer(207, detail="HTTP 207 without 1 results"),
        ),
        (Reply(207, b"\xff{"), Answer(207, detail="HTTP 207 without 1 results")),
    ],
)
def test_answers(api: FakeApi, reply: Reply, expected: Answer) -> None:
    api.script = [reply]
    poster = client(api.url)
    assert poster.post([ITEM]) == expected
    poster.close()
    assert len(api.posted) == 1


def test_retry_after_as_a_date(api: FakeApi) -> None:
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    api.script = [Reply(503, b"", {"Retry-After": moment})]
    poster = client(api.url)
    asked = poster.post([ITEM]).retry_after
    poster.close()
    assert asked is not None and 50 < asked <= 60


def test_hanging_up_is_no_answer(api: FakeApi) -> None:
    api.script = [Reply(0)]
    poster = client(api.url)
    assert poster.post([ITEM]).status is None
    poster.close()


def test_refused_and_silent_servers_are_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        poster = client(f"http://127.0.0.1:{port}", timeout_s=0.05)
        assert poster.post([ITEM]) == Answer(
            None, detail="ReadTimeout: timed out", too_slow=True
        )
        poster.close()
    poster = client(f"http://127.0.0.1:{port}")
    assert poster.post([ITEM]).detail.startswith("ConnectError: ")
    poster.close()


def test_a_refused_token_is_read_anew(api: FakeApi) -> None:
    asked: list[bool] = []

    def token(fresh: bool) -> str:
        asked.append(fresh)
        return f"dno_{len(asked)}"

    api.script = [Reply(401, {})]
    poster = ApiClient(api.url, token=token, timeout_s=5.0)
    for _ in range(3):
        poster.post([ITEM])
    poster.close()
    assert asked == [False, True, False]
    assert [posted.headers["authorization"] for posted in api.posted] == [
        "Bearer dno_1",
        "Bearer dno_2",
        "Bearer dno_3",
    ]
