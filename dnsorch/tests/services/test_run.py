"""``make run`` on the real services: by environment alone, and nothing embedded."""

from __future__ import annotations

from pathlib import Path

from dnsorch.tests import real
from dnsorch.tests.e2e.test_run import is_gone, running
from dnsorch.tests.services.harness import ZONE, RealStack

OURS = {"api", "worker", "sweep", "consumer", "publisher", "stack"}
DESCRIBED = {
    "admin",
    "admin_password",
    "admin_user",
    "api",
    "kafka",
    "nameserver",
    "token",
    "tsig",
    "zone",
}


def test_it_writes_the_same_file_and_starts_only_what_is_ours(
    database: str, topics: list[str], tmp_path: Path
) -> None:
    requests, outcomes, dlq = topics
    env = {
        **RealStack(tmp_path, database=database).variables(),
        "CELERY_BROKER_URL": real.setting("CELERY_BROKER_URL").rstrip("0") + "3",
        "KAFKA_TOPIC_REQUESTS": requests,
        "KAFKA_TOPIC_OUTCOMES": outcomes,
        "KAFKA_TOPIC_DLQ": dlq,
    }
    with running(env) as run:
        about = run.about()
        assert set(about) == DESCRIBED
        assert (tmp_path / "stack.json").stat().st_mode & 0o777 == 0o600
        assert about["kafka"] == real.setting("KAFKA_BOOTSTRAP_SERVERS")
        assert about["nameserver"] == real.setting("DNSORCH_TEST_BIND")
        assert about["zone"] == ZONE
        pids = run.pids()
        assert set(pids) == OURS
        run.process.terminate()
        assert run.process.wait(60) == 0
    assert [name for name, pid in pids.items() if not is_gone(pid)] == []
    left = {path.name for path in tmp_path.iterdir()}
    assert not {"stack.json", "broker.sock", "dnsorch.sqlite3", "nameserver"} & left
