"""The scripts that the images start, run as they are there: by an ordinary user."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from django.conf import settings

from dnsorch.embedded import broker
from dnsorch.tests.e2e.harness import free_ports

pytestmark = pytest.mark.embedded

DEPLOY: Path = settings.BASE_DIR / "deploy"
HOST = "dnsorch.example.test"
PATIENCE_S = 60.0
# As OpenShift does it: any user id, group 0, no capabilities. In a user namespace of
# its own, so that root of this machine can test it without another account.
AS_ANY_USER = ("unshare", "--user", "--map-user=1000760000", "--map-group=0")
PRINT_ID = "import os; print(os.getuid(), os.getgid())"

Environment = dict[str, str]


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """The production profile on SQLite, without a broker."""
    return {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "DNSORCH_ENV": "prod",
        "DNSORCH_SECRET_KEY": "not-a-secret-but-long-enough-for-a-test-of-the-start",
        "DNSORCH_ALLOWED_HOSTS": HOST,
        "DNSORCH_VAR_DIR": str(tmp_path),
        "DNSORCH_STATIC_ROOT": str(tmp_path),
        "DATABASE_URL": f"sqlite:///{tmp_path}/dnsorch.sqlite3",
        "CELERY_BROKER_URL": "redis://127.0.0.1:1/0",
    }


def command(script: str, *words: str) -> list[str]:
    """Return how to run a script as an ordinary user."""
    wrapper = AS_ANY_USER if os.getuid() == 0 else ()
    return [*wrapper, str(DEPLOY / script), *words]


def run(
    environment: Environment, script: str, *words: str
) -> subprocess.CompletedProcess[str]:
    """Run a script to its end; its output is that of both streams."""
    return subprocess.run(
        command(script, *words),
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=PATIENCE_S,
        check=False,
    )


@contextmanager
def running(
    environment: Environment, script: str, *words: str, log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a script in the background; kill what is left of it."""
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command(script, *words), env=environment, stdout=output, stderr=output
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def until(check: Callable[[], bool], log: Path) -> None:
    """Wait until ``check`` holds; show the log if it never does."""
    deadline = time.monotonic() + PATIENCE_S
    while not check():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


def stop(process: subprocess.Popen[bytes]) -> int:
    """Ask a process to end, as Kubernetes does, and return its exit code."""
    process.send_signal(signal.SIGTERM)
    return process.wait(PATIENCE_S)


@pytest.fixture
def migrated(environment: Environment) -> Environment:
    """The same, with a database that is up to date."""
    done = run(environment, "entrypoint.sh", "migrate", "--verbosity", "0")
    assert (done.returncode, done.stdout) == (0, "")
    return environment


@pytest.mark.skipif(os.getuid() != 0, reason="runs as an ordinary user anyway")
def test_the_scripts_are_run_by_an_ordinary_user() -> None:
    found = subprocess.run(
        [*AS_ANY_USER, sys.executable, "-c", PRINT_ID],
        text=True,
        capture_output=True,
        check=True,
    )
    assert found.stdout == "1000760000 0\n"


def test_the_api_is_live_before_and_ready_after_the_migration(
    environment: Environment, tmp_path: Path
) -> None:
    [port] = free_ports(1)
    environment |= {"GRANIAN_PORT": str(port), "GRANIAN_HOST": "127.0.0.1"}
    log = tmp_path / "api.log"

    def status(path: str) -> int:
        try:
            url = f"http://127.0.0.1:{port}{path}"
            return httpx.get(url, headers={"Host": HOST}, timeout=10).status_code
        except httpx.TransportError:
            return 0

    with running(environment, "entrypoint.sh", "api", log=log) as api:
        until(lambda: status("/livez") == 200, log)
        assert status("/readyz") == 503
        assert run(environment, "entrypoint.sh", "probe").returncode == 1
        live = run(environment, "entrypoint.sh", "probe", str(port), "/livez")
        assert live.returncode == 0
        assert run(environment, "entrypoint.sh", "migrate").returncode == 0
        until(lambda: status("/readyz") == 200, log)
        assert run(environment, "entrypoint.sh", "probe").returncode == 0
        assert status("/api/v2/zones/") == 301, "plain http is redirected"
        assert stop(api) == 0


def test_several_migrations_at_once_are_one(
    environment: Environment, tmp_path: Path
) -> None:
    logs = [tmp_path / f"{number}.log" for number in range(3)]
    processes = []
    for log in logs:
        with log.open("wb") as output:
            processes.append(
                subprocess.Popen(
                    command("entrypoint.sh", "migrate"),
                    env=environment,
                    stdout=output,
                    stderr=output,
                )
            )
    codes = [process.wait(PATIENCE_S) for process in processes]
    texts = [log.read_text() for log in logs]
    assert codes == [0, 0, 0], texts
    assert sorted("No migrations to apply." in text for text in texts) == [
        False,
        True,
        True,
    ]


def test_the_commands_of_manage_py(migrated: Environment) -> None:
    swept = run(migrated, "entrypoint.sh", "sweep", "--once")
    assert (swept.returncode, swept.stdout) == (0, "0 lane(s) had work\n")
    words = ("manage", "create_token", "--owner", "team-web")
    made = run(migrated, "entrypoint.sh", *words)
    assert made.returncode == 0
    assert made.stdout.splitlines()[-1].startswith("dno_")


@pytest.mark.parametrize(
    "script", ["entrypoint.sh", "celery_worker_entrypoint.sh"], ids=["app", "worker"]
)
def test_an_unknown_command_is_refused(environment: Environment, script: str) -> None:
    done = run(environment, script, "frobnicate")
    assert done.returncode == 64
    assert "no command frobnicate" in done.stdout


def test_secrets_come_from_files(environment: Environment, tmp_path: Path) -> None:
    for name in ("DNSORCH_SECRET_KEY", "DATABASE_URL", "CELERY_BROKER_URL"):
        path = tmp_path / name.lower()
        path.write_text(environment.pop(name) + "\n")
        environment[f"{name}_FILE"] = str(path)
    assert run(environment, "entrypoint.sh", "migrate").returncode == 0
    assert (tmp_path / "dnsorch.sqlite3").exists()


def test_the_worker_answers_its_probe_and_ends_when_asked(
    migrated: Environment, tmp_path: Path
) -> None:
    log = tmp_path / "worker.log"
    script = "celery_worker_entrypoint.sh"
    with embedded_broker() as url:
        migrated |= {"CELERY_BROKER_URL": url, "DNSORCH_WORKER_CONCURRENCY": "1"}
        with running(migrated, script, log=log) as worker:
            until(lambda: run(migrated, script, "probe").returncode == 0, log)
            assert stop(worker) == 0, log.read_text()
        assert run(migrated, script, "probe").returncode != 0


@contextmanager
def embedded_broker() -> Iterator[str]:
    """Run the broker of the embedded default; yield its URL."""
    # Not tmp_path: a socket's path has to be short.
    with tempfile.TemporaryDirectory(prefix="dnsorch-") as directory:
        path = Path(directory) / "broker.sock"
        with subprocess.Popen(broker.command(path)) as process:
            try:
                yield f"{broker.SCHEME}://{path}"
            finally:
                process.terminate()
