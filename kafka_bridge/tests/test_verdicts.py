"""The table of the Kafka contract, line by line."""

from __future__ import annotations

from typing import Any

import pytest

from kafka_bridge import verdicts
from kafka_bridge.client import Answer
from kafka_bridge.verdicts import Reason, Verdict

TRACKED = {"code": "zone_not_found", "detail": "no such zone", "request_id": "019a"}


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (202, {"id": "019a"}, Verdict.DONE),
        (200, {"id": "019a"}, Verdict.DONE),
        (400, TRACKED, Verdict.DEAD),
        (403, TRACKED, Verdict.DEAD),
        (404, TRACKED, Verdict.DEAD),
        (409, TRACKED, Verdict.DEAD),
        (412, TRACKED, Verdict.DEAD),
        (422, TRACKED, Verdict.DEAD),
        (401, {"code": "invalid_token"}, Verdict.HALT),
        (401, TRACKED, Verdict.HALT),
        (403, {"code": "forbidden"}, Verdict.HALT),
        (404, {"code": "not_found"}, Verdict.HALT),
        (404, "<html>", Verdict.HALT),
        (409, {"code": "idempotency_in_progress"}, Verdict.RETRY),
        (409, TRACKED | {"code": "idempotency_in_progress"}, Verdict.RETRY),
        (424, {"code": "earlier_item_failed"}, Verdict.RETRY),
        (424, TRACKED, Verdict.RETRY),
        (429, {"code": "throttled"}, Verdict.RETRY),
        (429, TRACKED, Verdict.RETRY),
        (400, {"code": "invalid"}, Verdict.RETRY),
        (400, None, Verdict.RETRY),
        (422, {"code": "idempotency_key_reused"}, Verdict.RETRY),
        (500, TRACKED, Verdict.RETRY),
        (503, {"code": "database_busy"}, Verdict.RETRY),
        (301, {}, Verdict.RETRY),
        (204, None, Verdict.RETRY),
    ],
)
def test_of_item(status: int, body: Any, expected: Verdict) -> None:
    assert verdicts.of_item(status, body) is expected


@pytest.mark.parametrize(
    ("answer", "size", "expected"),
    [
        (Answer(None), 3, Verdict.RETRY),
        (Answer(200), 1, Verdict.RETRY),
        (Answer(207), 1, Verdict.RETRY),
        (Answer(302), 1, Verdict.RETRY),
        (Answer(401), 3, Verdict.HALT),
        (Answer(403, problem=TRACKED), 3, Verdict.HALT),
        (Answer(404), 1, Verdict.HALT),
        (Answer(413), 2, Verdict.SPLIT),
        (Answer(400, problem=TRACKED), 2, Verdict.SPLIT),
        (Answer(413), 1, Verdict.RETRY),
        (Answer(413, problem={"code": "body_too_large"}), 1, Verdict.DEAD),
        (Answer(400), 1, Verdict.RETRY),
        (Answer(400, problem={"code": "invalid"}), 1, Verdict.RETRY),
        (
            Answer(400, problem={"errors": [{"pointer": "/items/0/changeset"}]}),
            1,
            Verdict.DEAD,
        ),
        (Answer(400, problem={"errors": [{"pointer": "/items"}]}), 1, Verdict.RETRY),
        (Answer(400, problem={"errors": ["odd"]}), 1, Verdict.RETRY),
        (Answer(400, problem=TRACKED), 1, Verdict.DEAD),
        (Answer(415, problem=TRACKED), 1, Verdict.RETRY),
        (Answer(429), 2, Verdict.RETRY),
        (Answer(502), 2, Verdict.RETRY),
    ],
)
def test_of_answer(answer: Answer, size: int, expected: Verdict) -> None:
    assert verdicts.of_answer(answer, size) is expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (TRACKED, Reason("zone_not_found", "no such zone", "019a")),
        ({"title": "Too large"}, Reason("http_400", "Too large")),
        (None, Reason("http_400", "")),
    ],
)
def test_reason(body: Any, expected: Reason) -> None:
    assert verdicts.reason(body, 400) == expected
