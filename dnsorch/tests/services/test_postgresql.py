"""PostgreSQL: limits of each session, and connections that are cut at any moment."""

from __future__ import annotations

import subprocess
import sys
from urllib.parse import urlsplit

import pytest
from django.conf import settings

from dnsorch.tests.e2e.harness import in_parallel, until
from dnsorch.tests.e2e.test_crashes import Names, post
from dnsorch.tests.services.harness import RealStack, administer

SHOW = """
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute("SHOW {}")
    print(json.dumps(cursor.fetchone()[0]))
"""


@pytest.mark.parametrize(
    ("limit", "value"),
    [
        ("statement_timeout", "30s"),
        ("lock_timeout", "10s"),
        ("idle_in_transaction_session_timeout", "5s"),
    ],
)
def test_every_session_has_limits(stack: RealStack, limit: str, value: str) -> None:
    assert stack.shell(SHOW.format(limit)) == value


def test_every_session_notices_a_server_that_is_gone(stack: RealStack) -> None:
    parameters = stack.shell("""
from django.db import connection
connection.ensure_connection()
print(json.dumps(connection.connection.get_dsn_parameters()))
""")
    watched = {"keepalives_idle": "10", "keepalives_interval": "5"}
    watched |= {"keepalives_count": "3", "tcp_user_timeout": "25000"}
    assert watched.items() <= parameters.items()


def test_requests_survive_that_every_connection_is_cut(stack: RealStack) -> None:
    names = Names()
    posts = in_parallel(
        lambda item: post(stack, *item, names.keys[item[0]]),
        list(names.values.items()),
    )
    for some in (20, 50, 80):
        until(lambda: sum(each.done() for each in posts) >= some or None, f"{some}")
        administer(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            f" WHERE datname = '{stack.database}'"
        )
    assert {each.result() for each in posts} == {202}
    names.check(stack)
    for name, process in stack.running.items():
        assert process.poll() is None, f"{name} has ended"


@pytest.mark.parametrize(
    ("netloc", "name", "reason"),
    [
        (
            "{user}:no-such-password@{at}",
            "{name}",
            'FATAL: password authentication failed for user "{user}"',
        ),
        ("{own}", "no_such", 'FATAL: database "no_such" does not exist'),
    ],
)
def test_a_wrong_login_is_said_in_one_sentence(
    stack: RealStack, netloc: str, name: str, reason: str
) -> None:
    url = urlsplit(stack.env["DATABASE_URL"])
    words = {
        "own": url.netloc,
        "at": url.netloc.rpartition("@")[2],
        "user": url.username,
        "name": url.path[1:],
    }
    wrong = url._replace(netloc=netloc.format(**words), path=f"/{name.format(**words)}")
    done = subprocess.run(
        [sys.executable, "manage.py", "sweep"],
        cwd=settings.BASE_DIR,
        env={**stack.env, "DATABASE_URL": wrong.geturl()},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    where = f"the database {name.format(**words)!r} at {url.hostname}:{url.port}"
    assert (done.returncode, done.stderr) == (
        1,
        f"dnsorch: {where} cannot be used: {reason.format(**words)}\n",
    )
