"""Pages by cursor."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db.models import F, QuerySet
from django.db.models.functions import Lower
from rest_framework.request import Request
from rest_framework.test import APIClient, APIRequestFactory

from dnsorch.api.paging import (
    Cursor,
    CursorPagination,
    InvalidCursor,
    InvalidLimit,
    parse_limit,
)
from dnsorch.tokens import services
from dnsorch.tokens.models import ApiToken

pytestmark = [pytest.mark.django_db, pytest.mark.urls("dnsorch.tests.api_urls")]

Page = tuple[list[Any], str | None, str | None]


def fetch(queryset: QuerySet[Any], url: str = "/api/x/?limit=3&zone=a") -> Page:
    """Return the rows of a page, and the URLs of its neighbours."""
    paginator = CursorPagination()
    request = Request(APIRequestFactory().get(url))
    rows = paginator.paginate_queryset(queryset, request)
    envelope = paginator.get_paginated_response(rows).data
    assert set(envelope) == {"results", "next", "previous"}
    return envelope["results"], envelope["next"], envelope["previous"]


def walk(queryset: QuerySet[Any], url: str | None, step: int) -> list[list[Any]]:
    """Return the pages from ``url`` on; ``step`` 1 goes by next, 2 by previous."""
    pages = []
    while url is not None:
        page = fetch(queryset, url)
        pages.append(page[0])
        url = page[step]  # type: ignore[assignment]
    return pages


def tokens(*owners: str) -> list[ApiToken]:
    """Issue a token for each owner."""
    return [services.issue(owner=owner).token for owner in owners]


ORDERINGS = [
    ("id",),
    ("-id",),
    ("pk",),
    ("owner", "id"),
    ("-owner", "id"),
    ("owner", "-id"),
    ("-read_only", "owner", "-id"),
    ("created_at", "digest"),
]


@pytest.mark.parametrize("ordering", ORDERINGS, ids=",".join)
@pytest.mark.parametrize("count", [0, 1, 3, 4, 6, 7])
def test_pages_are_the_list_forward_and_backward(
    ordering: tuple[str, ...], count: int
) -> None:
    tokens(*("abacaba"[:count]))
    queryset = ApiToken.objects.order_by(*ordering)
    everything = list(queryset)
    pages = walk(queryset, "/api/x/?limit=3", 1)
    assert [row for page in pages for row in page] == everything
    assert [len(page) for page in pages] == {
        0: [0],
        1: [1],
        3: [3],
        4: [3, 1],
        6: [3, 3],
        7: [3, 3, 1],
    }[count]
    end = f"/api/x/?limit=3&cursor={Cursor(None, backward=True).encode(ordering)}"
    backward = walk(queryset, end, 2)
    assert [row for page in reversed(backward) for row in page] == everything


def test_neighbours_lead_back_to_each_other() -> None:
    rows = tokens(*"abcdefg")
    queryset = ApiToken.objects.order_by("id")
    first, to_second, none = fetch(queryset)
    second, to_third, to_first = fetch(queryset, str(to_second))
    assert (first, second, none) == (rows[:3], rows[3:6], None)
    again, to_second_again, none = fetch(queryset, str(to_first))
    assert (again, to_second_again, none) == (first, to_second, None)
    third, none, to_second = fetch(queryset, str(to_third))
    assert (third, none) == (rows[6:], None)
    assert fetch(queryset, str(to_second))[0] == second


def test_urls_are_absolute_and_keep_the_query() -> None:
    tokens(*"abcd")
    _, following, _ = fetch(ApiToken.objects.order_by("id"))
    assert following is not None
    assert following.startswith("http://testserver/api/x/?")
    assert "limit=3" in following and "zone=a" in following


def test_rows_that_come_and_go_make_none_appear_twice_or_get_lost() -> None:
    rows = tokens(*"acegik")
    queryset = ApiToken.objects.order_by("owner", "id")
    first, following, _ = fetch(queryset)
    tokens("b")
    rows[2].delete()
    (late,) = tokens("h")
    second, _, previous = fetch(queryset, str(following))
    assert [row.owner for row in first] == ["a", "c", "e"]
    assert second == [rows[3], late, rows[4]]
    assert [row.owner for row in fetch(queryset, str(previous))[0]] == ["a", "b", "c"]


def test_a_page_that_has_become_empty_still_leads_back() -> None:
    rows = tokens(*"abcdef")
    queryset = ApiToken.objects.order_by("id")
    _, following, _ = fetch(queryset)
    ApiToken.objects.filter(pk__gt=rows[2].pk).delete()
    empty, none, previous = fetch(queryset, str(following))
    assert (empty, none) == ([], None)
    assert fetch(queryset, str(previous))[0] == rows[:3]


def test_a_page_before_that_has_become_empty_leads_to_the_beginning() -> None:
    rows = tokens(*"abcdef")
    queryset = ApiToken.objects.order_by("id")
    _, following, _ = fetch(queryset)
    _, _, previous = fetch(queryset, str(following))
    ApiToken.objects.filter(pk__lt=rows[3].pk).delete()
    empty, beginning, none = fetch(queryset, str(previous))
    assert (empty, none) == ([], None)
    assert fetch(queryset, str(beginning))[0] == rows[3:]


def test_columns_of_another_table_can_order() -> None:
    queryset = Permission.objects.select_related("content_type")
    everything = list(queryset)
    pages = walk(queryset, "/api/x/?limit=7", 1)
    assert [row for page in pages for row in page] == everything
    assert len(everything) > 7


def test_a_page_costs_one_query_that_starts_within_the_index(
    django_assert_num_queries: Any,
) -> None:
    tokens(*"abcdef")
    queryset = ApiToken.objects.order_by("owner", "id")
    _, following, _ = fetch(queryset)
    with django_assert_num_queries(1) as captured:
        fetch(queryset, str(following))
    (query,) = captured.captured_queries
    assert '"owner" >= ' in query["sql"]
    assert "OFFSET" not in query["sql"]
    assert "LIMIT 4" in query["sql"]


@pytest.mark.parametrize("text", ["0", "1001", "-1", "", "x", "5.0", "٥", "9" * 5000])
def test_a_wrong_limit_is_refused(text: str) -> None:
    with pytest.raises(InvalidLimit):
        parse_limit(text)


@pytest.mark.parametrize(
    ("text", "limit"), [(None, 50), ("1", 1), ("007", 7), ("1000", 1000)]
)
def test_a_limit_is_a_whole_number_up_to_1000(text: str | None, limit: int) -> None:
    assert parse_limit(text) == limit


def encoded(data: Any) -> str:
    """Return a made-up cursor."""
    return base64.urlsafe_b64encode(json.dumps(data).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "é",
        "!!!!",
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
        encoded({}),
        encoded([]),
        encoded(["id", 0]),
        encoded(["-id", 0, ["1"]]),
        encoded(["id", 2, ["1"]]),
        encoded(["id", [], ["1"]]),
        encoded(["id", 0, "1"]),
        encoded(["id", 0, [1]]),
        encoded(["id", 0, ["1", "2"]]),
        encoded(["id", 0, ["one"]]),
        encoded(["id", 0, ["1\0"]]),
        encoded(["id", 0, ["\ud800"]]),
        base64.urlsafe_b64encode(b"[" * 100_000).decode(),
    ],
)
def test_a_wrong_cursor_is_refused(text: str) -> None:
    with pytest.raises(InvalidCursor):
        fetch(ApiToken.objects.order_by("id"), f"/api/x/?cursor={text}")


def test_a_cursor_far_beyond_all_rows_finds_none() -> None:
    tokens("a")
    beyond = Cursor(("9" * 30,)).encode(["id"])
    assert fetch(ApiToken.objects.order_by("id"), f"/api/x/?cursor={beyond}")[0] == []


@pytest.mark.parametrize(
    "ordering", [(F("id").desc(),), (Lower("username"), "id")], ids=["f", "lower"]
)
def test_only_columns_can_order(ordering: tuple[Any, ...]) -> None:
    with pytest.raises(AssertionError, match="page only what columns order"):
        fetch(User.objects.order_by(*ordering))


def test_a_list_is_paged_by_default(api: APIClient) -> None:
    first = api.get("/api/permissions/?limit=2").json()
    assert len(first["results"]) == 2
    assert first["previous"] is None
    second = api.get(first["next"]).json()
    assert api.get(second["previous"]).json() == first


@pytest.mark.parametrize(
    ("query", "code"),
    [("limit=1001", "invalid_limit"), ("cursor=x", "invalid_cursor")],
)
def test_a_wrong_page_is_a_problem(api: APIClient, query: str, code: str) -> None:
    answer = api.get(f"/api/permissions/?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, code)
