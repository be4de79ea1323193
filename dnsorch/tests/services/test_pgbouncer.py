"""PgBouncer in transaction mode, with a pool smaller than the clients."""

from __future__ import annotations

import csv
import subprocess
import uuid
from collections import Counter
from collections.abc import Iterator
from urllib.parse import SplitResult, urlsplit

import httpx
import pytest

from deploy.services.pgbouncer import POOL_SIZE
from dnsorch.tests import real
from dnsorch.tests.e2e.harness import in_parallel, manage, record
from dnsorch.tests.services.harness import (
    ZONE,
    RealStack,
    administer,
    change,
    query,
    unique,
)
from dnsorch.tests.services.test_concurrency import (
    post,
    test_every_record_of_one_name_is_kept,
    test_names_locked_crosswise_deadlock_nobody,
    test_one_key_at_once_is_one_request,
)
from dnsorch.tests.services.test_postgresql import test_every_session_has_limits

__all__ = [
    "test_every_record_of_one_name_is_kept",
    "test_every_session_has_limits",
    "test_names_locked_crosswise_deadlock_nobody",
    "test_one_key_at_once_is_one_request",
]

REPLAYS = 24
MIGRATIONS = 3
ALL = """
from requests_tracker.models import Request
rows = Request.objects.order_by("id").values_list("id", flat=True)
print(json.dumps([rows.count(), len(set(rows.iterator(chunk_size=2)))]))
"""
ADVISORY = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"


def pool_url() -> SplitResult:
    """Return where PgBouncer is."""
    return urlsplit(real.setting("DNSORCH_TEST_PGBOUNCER_URL"))


def variables(database: str) -> dict[str, str]:
    """Return what leads a process to a database through PgBouncer."""
    return {
        "DATABASE_URL": pool_url()._replace(path=f"/{database}").geturl(),
        "DNSORCH_DATABASE_BEHIND_PGBOUNCER": "true",
    }


def restart(stack: RealStack, env: dict[str, str]) -> None:
    """Start every process again, with other variables."""
    stack.env = env
    for name in list(stack.running):
        stack.kill(name)
        stack.start(name)
    stack.get("/api/v2/zones/")


@pytest.fixture(scope="module")
def pooled(shared: RealStack) -> Iterator[RealStack]:
    """Send the shared stack through PgBouncer for a while."""
    direct = shared.env
    restart(shared, {**direct, **variables(shared.database)})
    yield shared
    restart(shared, direct)


@pytest.fixture
def stack(pooled: RealStack, stack: RealStack) -> RealStack:
    """Give it in the place of the one that PostgreSQL serves directly."""
    return stack


def pool(database: str) -> dict[str, str]:
    """Return PgBouncer's own figures of the pool of a database."""
    console = pool_url()._replace(path="/pgbouncer").geturl()
    shown = subprocess.check_output(
        ["psql", "--no-psqlrc", "--csv", "--command", "SHOW POOLS", console], text=True
    )
    (found,) = (
        row for row in csv.DictReader(shown.splitlines()) if row["database"] == database
    )
    return found


def test_the_clients_are_more_than_the_sessions(stack: RealStack) -> None:
    names = [unique("pool") for _ in range(40)]
    given = in_parallel(
        lambda name: post(stack, "/api/v1/dns-records/", record(name, "192.0.2.1")),
        names,
        threads=16,
    )
    answers = [each.result() for each in given]
    assert Counter(answer.status_code for answer in answers) == {202: 40}
    found = pool(stack.database)
    assert found["pool_mode"] == "transaction"
    assert int(found["cl_active"]) + int(found["cl_waiting"]) > POOL_SIZE
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}'"
    assert int(query(sessions.format(stack.database))) <= POOL_SIZE
    finals = [stack.final(answer.json()["request_id"]) for answer in answers]
    assert {each["status"] for each in finals} == {"completed"}
    assert [stack.resolve(name) for name in names] == [{"192.0.2.1"}] * 40


def test_lists_are_read_page_by_page_and_row_by_row(stack: RealStack) -> None:
    label = uuid.uuid4().hex[:8]
    names = [f"page-{number}-{label}.{ZONE}" for number in range(7)]
    body = [change("create", name, "A", "192.0.2.1") for name in names]
    assert stack.final(stack.ask(body))["status"] == "completed"
    path, pages, found = f"/api/v2/zones/{ZONE}/rrsets/?limit=3", 0, []
    while path:
        page = stack.get(path)
        pages += 1
        found += [each["name"] for each in page["results"] if label in each["name"]]
        path = page["next"]
    assert pages >= 3
    assert sorted(found) == names
    count, read = stack.shell(ALL)
    assert count == read >= 3


def test_one_key_is_replayed_by_many_at_once(stack: RealStack) -> None:
    name, key = unique("replay"), uuid.uuid4().hex
    first = post(stack, "/api/v1/dns-records/", record(name, "192.0.2.1"), key)
    assert first.status_code == 202
    again = in_parallel(
        lambda body: post(stack, "/api/v1/dns-records/", body, key),
        [record(name, "192.0.2.1")] * REPLAYS,
        threads=12,
    )
    answers = [each.result() for each in again]
    assert {answer.status_code for answer in answers} == {202}
    ids = {answer.json()["request_id"] for answer in answers}
    assert ids == {first.json()["request_id"]}
    assert stack.final(ids.pop())["status"] == "completed"
    assert stack.added(name) == ["192.0.2.1"]


def test_the_admin_lists_requests(stack: RealStack) -> None:
    request_id = stack.ask([change("create", unique("admin"), "A", "192.0.2.1")])
    login = stack.about["admin"] + "login/"
    with httpx.Client(follow_redirects=True, timeout=30) as browser:
        browser.get(login)
        form = {
            "username": stack.about["admin_user"],
            "password": stack.about["admin_password"],
            "next": "/admin/",
            "csrfmiddlewaretoken": browser.cookies["csrftoken"],
        }
        assert browser.post(login, data=form).status_code == 200
        listed = browser.get(stack.about["admin"] + "requests_tracker/request/")
    assert listed.status_code == 200
    assert request_id in listed.text


@pytest.fixture
def empty() -> Iterator[str]:
    """Make a database of its own."""
    name = f"migrate_{uuid.uuid4().hex[:8]}"
    administer(f"CREATE DATABASE {name}")
    yield name
    administer(f"DROP DATABASE {name} WITH (FORCE)")


def test_of_several_migrations_one_does_and_none_keeps_the_lock(
    stack: RealStack, empty: str
) -> None:
    env = {**stack.env, **variables(empty)}
    running = [manage("migrate_locked", env=env) for _ in range(MIGRATIONS)]
    said = [process.communicate(timeout=120)[0] for process in running]
    assert [process.returncode for process in running] == [0] * MIGRATIONS, said
    idle = ["No migrations to apply." in text for text in said]
    assert sorted(idle) == [False, True, True]
    assert query(ADVISORY) == "0"


def test_without_the_setting_pgbouncer_refuses_the_session(
    stack: RealStack,
) -> None:
    env = {**stack.env, "DNSORCH_DATABASE_BEHIND_PGBOUNCER": "false"}
    process = manage("showmigrations", env=env)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "unsupported startup parameter: options" in said
