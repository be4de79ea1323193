"""The pure parts of the bench: medians, the table, the comparison, rows of floors."""

from __future__ import annotations

import io
from typing import Any

import pytest

from dnsorch.bench import report, results, rows
from dnsorch.bench.results import Figure, Measured
from dnsorch.bench.rows import Cell, Template

pytestmark = pytest.mark.embedded


def figure(**ratios: float) -> Figure:
    """Return a figure with these ratios."""
    floors = {name: 200.0 for name in ratios}
    return Figure("POST", "requests/s", 100.0, floors, ratios, {})


@pytest.mark.parametrize(
    ("values", "percent", "found"),
    [
        ([3.0], 50, 3.0),
        ([3.0], 99, 3.0),
        ([4.0, 1.0, 3.0, 2.0], 50, 2.0),
        ([4.0, 1.0, 3.0, 2.0], 75, 3.0),
        ([4.0, 1.0, 3.0, 2.0], 76, 4.0),
        ([float(number) for number in range(1, 101)], 95, 95.0),
        ([float(number) for number in range(1, 101)], 99, 99.0),
    ],
)
def test_a_percentile_is_the_nearest_rank(
    values: list[float], percent: float, found: float
) -> None:
    assert results.percentile(values, percent) == found


def test_nothing_has_no_percentile() -> None:
    with pytest.raises(ValueError, match="no values"):
        results.percentile([], 50)


@pytest.mark.parametrize(
    ("ours", "less_is_better", "ratio"),
    [(50.0, False, 0.5), (50.0, True, 2.0), (200.0, True, 0.5), (0.0, True, 0.0)],
)
def test_a_ratio_falls_with_what_is_worse(
    ours: float, less_is_better: bool, ratio: float
) -> None:
    measured = Measured("POST", "", ours, less_is_better=less_is_better)
    assert results.ratio(measured, 100.0) == ratio


def test_runs_become_medians_and_ratios_are_those_of_one_run() -> None:
    runs = [
        Measured("POST", "requests/s", ours, {"raw": floor}, [ours / 1000, 0.001])
        for ours, floor in ((10.0, 20.0), (30.0, 40.0), (20.0, 100.0))
    ]
    found = results.combined(runs)
    assert (found.ours, found.floors, found.ratios) == (
        20.0,
        {"raw": 40.0},
        {"raw": 0.5},
    )
    assert found.percentiles == {"p50": 1.0, "p95": 20.0, "p99": 20.0}


def test_figures_are_in_the_order_in_which_they_came_first() -> None:
    found = [Measured(name, "", 1.0) for name in ("b", "a", "b", "a")]
    assert [each.name for each in results.all_combined(found)] == ["b", "a"]


def test_the_table_has_a_line_for_each_floor() -> None:
    alone = Figure("memory", "MiB", 1234.5, {}, {}, {"p50": 12.34})
    lines = report.table([figure(raw=0.5, pgbench=0.0521), alone]).splitlines()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    assert cells[0] == list(report.HEAD)
    assert set("".join(cells[1])) == {"-"}
    assert cells[2:] == [
        ["POST", "requests/s", "100", "200", "raw", "0.50", "", "", ""],
        ["", "", "", "200", "pgbench", "0.052", "", "", ""],
        ["memory", "MiB", "1,234", "", "", "", "12.3", "", ""],
    ]
    assert len({len(line) for line in lines}) == 1


@pytest.mark.parametrize(("now", "is_worse"), [(0.37, True), (0.38, False)])
def test_a_ratio_may_fall_by_a_quarter(now: float, is_worse: bool) -> None:
    before = report.baseline([figure(raw=0.5)])
    found = report.worse(before, [figure(raw=now)])
    expected = [report.Worse("POST", "raw", 0.5, now)] if is_worse else []
    assert found == expected


def test_what_only_one_of_both_has_is_not_compared() -> None:
    before: dict[str, Any] = {"POST": {"raw": 0.5}, "gone": {"raw": 1.0}}
    assert report.worse(before, [figure(pgbench=0.1)]) == []
    assert report.worse({}, [figure(raw=0.1)]) == []


def template() -> Template:
    """Return two rows of an event's table, which differ by their number."""
    return Template(
        None,
        [
            (
                "event",
                [
                    Cell("id", "int8", "7", ("", 0, str(index))),
                    Cell("request_id", "uuid", "u", ("0190-", 12, "")),
                    Cell("message", "text", "it's\ta \\"),
                    Cell("data", "jsonb", None),
                ],
            )
            for index in range(2)
        ],
    )


def test_an_insert_makes_all_rows_of_a_table_from_one_number() -> None:
    (statement,) = template().statements()
    made = "('0190-' || lpad(({n})::text, 12, '0') || '')::uuid"
    row = "(('' || ({{n}})::text || '{}')::int8, {}, 'it''s\ta \\'::text, NULL)"
    assert statement == (
        'INSERT INTO event ("id", "request_id", "message", "data") VALUES '
        f"{row.format(0, made)}, {row.format(1, made)}"
    )


def test_a_copy_has_the_rows_of_many_requests() -> None:
    ((statement, text),) = template().copies(12, 2)
    assert isinstance(text, io.StringIO)
    assert statement == 'COPY event ("id", "request_id", "message", "data") FROM STDIN'
    rest = r"it's\ta \\" + "\t" + r"\N"
    assert text.getvalue().splitlines() == [
        f"{number}{index}\t0190-{number:012d}\t{rest}"
        for number in (12, 13)
        for index in (0, 1)
    ]


@pytest.mark.parametrize(
    ("table", "column", "kind", "value", "text"),
    [
        ("request", "id", "uuid", "u", "01900000-0000-7000-8000-000000000005"),
        ("change", "id", "int8", "1", "5"),
        ("event", "id", "int8", "1", "52"),
        ("change", "request_id", "uuid", "u", "01900000-0000-7000-8000-000000000005"),
        ("change", "rrset_id", "int8", "9", "5"),
        ("change", "name", "varchar", "a.z.test.", "m-5.z.test."),
        ("change", "zone_id", "int8", "3", "3"),
        ("request", "idempotency_key", "varchar", "", ""),
        ("request", "idempotency_key", "varchar", "k", "m-5"),
    ],
)
def test_what_refers_to_a_row_or_must_be_unique_is_made_of_the_number(
    table: str, column: str, kind: str, value: str, text: str
) -> None:
    made = rows.made(table, column, kind, value, 2, "m-")
    assert Cell(column, kind, value, made).text(5) == text
