"""A process that is set up wrongly ends with one sentence and exit code 1.

One case a line, each in the real process: the variables that differ, what is started,
and all that it says on standard error.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db.migrations.loader import MigrationLoader
from django.test import override_settings

from dnsorch import configuration
from dnsorch.environment import StrictEnv, database

pytestmark = pytest.mark.embedded

ROOT: Path = settings.BASE_DIR
# In every URL below; no sentence may repeat it.
PASSWORD = "pass-phrase-of-the-test"
NOWHERE = f"postgres://dnsorch:{PASSWORD}@127.0.0.1:1/orders"

CHECK = "manage.py check"
WORKER = "celery -A dnsorch worker"
NO_DATABASE = (
    "DATABASE_URL is no URL of a database; expected postgres://USER:PASSWORD@HOST:PORT/"
    "NAME or sqlite:////PATH, with special characters of the password percent-encoded"
)
REFUSED = "the database 'orders' at 127.0.0.1:1 cannot be used: Connection refused"
NO_PROFILE = "DNSORCH_ENV is 'production'; expected one of dev, uta, prod"
NO_BROKER = "CELERY_BROKER_URL is no URL of a broker; expected redis://HOST:PORT/N"
NO_PROVIDER = "DNSORCH_SECRET_PROVIDERS: 'store': "

LACKS_MIGRATIONS = (
    "the database {database} lacks {count} migration(s), "
    "first contenttypes.0001_initial: run manage.py migrate_locked"
)

CASES: list[tuple[str, str, str]] = [
    # what is set wrongly, found while the settings are read
    (
        "DATABASE_URL=",
        CHECK,
        "set DATABASE_URL or DATABASE_URL_FILE: it has no default",
    ),
    (f"DATABASE_URL=pg://u:{PASSWORD}@h/n", CHECK, NO_DATABASE),
    (f"DATABASE_URL=postgres://u:{PASSWORD}#@h/n", CHECK, NO_DATABASE),
    (
        "DATABASE_URL_FILE=/none/here",
        CHECK,
        "DATABASE_URL_FILE: /none/here: No such file or directory",
    ),
    (
        "DNSORCH_SECRET_KEY=",
        "deploy/entrypoint.sh migrate",
        "set DNSORCH_SECRET_KEY or DNSORCH_SECRET_KEY_FILE: it has no default",
    ),
    ("DNSORCH_ENV=production", CHECK, NO_PROFILE),
    ("DNSORCH_ENV=production", "deploy/entrypoint.sh api", NO_PROFILE),
    ("DNSORCH_ENV=production", "deploy/celery_worker_entrypoint.sh", NO_PROFILE),
    (
        "DNSORCH_BEHIND_TLS=yess",
        WORKER,
        "DNSORCH_BEHIND_TLS is 'yess'; expected true or false",
    ),
    (
        "DNSORCH_WAIT_SLOTS=two",
        "manage.py sweep",
        "DNSORCH_WAIT_SLOTS is 'two'; expected a whole number, 0 or more",
    ),
    (
        f'KAFKA_CLIENT_OPTIONS={{"sasl.password":"{PASSWORD}"',
        "manage.py consume_kafka",
        "KAFKA_CLIENT_OPTIONS is not JSON",
    ),
    ("KAFKA_CLIENT_OPTIONS=[]", CHECK, "KAFKA_CLIENT_OPTIONS is no JSON object"),
    (
        "VAULT_AUTH_METHOD=password",
        CHECK,
        "VAULT_AUTH_METHOD is 'password'; expected one of token, approle, kubernetes",
    ),
    # what the settings name, found when Django is set up
    (f"CELERY_BROKER_URL=carrier://u:{PASSWORD}@h/0", WORKER, NO_BROKER),
    (f"CELERY_BROKER_URL=redis://u:{PASSWORD}@h:x/0", CHECK, NO_BROKER),
    (
        "DNSORCH_SECRET_PROVIDERS=store=company.secrets.read",
        CHECK,
        f"{NO_PROVIDER}company.secrets.read cannot be imported: "
        "No module named 'company'",
    ),
    (
        "DNSORCH_SECRET_PROVIDERS=store=sys.path",
        CHECK,
        f"{NO_PROVIDER}sys.path is no function",
    ),
    (
        "VAULT_ADDR=vault.example.test:8200",
        CHECK,
        "VAULT_ADDR is 'vault.example.test:8200'; "
        "expected an origin such as https://vault.example.com:8200",
    ),
    (
        "VAULT_ADDR=https://vault VAULT_AUTH_METHOD=approle",
        CHECK,
        "VAULT_ROLE is not set; approle logs in with one",
    ),
    # what the process itself needs
    (f"DATABASE_URL={NOWHERE}", "manage.py migrate_locked", REFUSED),
    (f"DATABASE_URL={NOWHERE}", WORKER, REFUSED),
    ("", "manage.py sweep", LACKS_MIGRATIONS),
    ("", "manage.py publish_events", LACKS_MIGRATIONS),
    ("", "manage.py create_token --owner me", LACKS_MIGRATIONS),
    ("", "deploy/celery_worker_entrypoint.sh", LACKS_MIGRATIONS),
    (
        'KAFKA_CLIENT_OPTIONS={"sasl.pass":1}',
        "manage.py consume_kafka",
        'KAFKA_CLIENT_OPTIONS: No such configuration property: "sasl.pass"',
    ),
    (
        "GRANIAN_PORT={taken}",
        "deploy/entrypoint.sh api",
        "the API cannot listen (GRANIAN_HOST, GRANIAN_PORT): "
        "Address already in use (os error 98)",
    ),
]


@pytest.fixture(scope="module")
def taken() -> Iterator[int]:
    """A port on which somebody else listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def start(
    environment: dict[str, str], command: str
) -> subprocess.CompletedProcess[str]:
    """Run a process of the production profile to its end."""
    words = command.split()
    if words[0] == "manage.py":
        words.insert(0, sys.executable)
    return subprocess.run(
        words,
        cwd=ROOT,
        env={
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "DNSORCH_ENV": "prod",
            "DNSORCH_SECRET_KEY": "not-a-secret-but-long-enough-for-a-test-of-start",
            "CELERY_BROKER_URL": "redis://127.0.0.1:1/0",
            "KAFKA_API_TOKEN": "none",
            "GRANIAN_HOST": "127.0.0.1",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(("variables", "command", "sentence"), CASES)
def test_it_ends_with_one_sentence(
    variables: str, command: str, sentence: str, tmp_path: Path, taken: int
) -> None:
    database = tmp_path / "empty.sqlite3"
    environment = {
        "DATABASE_URL": f"sqlite:///{database}",
        "DNSORCH_VAR_DIR": str(tmp_path),
        "DNSORCH_STATIC_ROOT": str(tmp_path),
        **dict(pair.split("=", 1) for pair in variables.split()),
    }
    if environment.get("GRANIAN_PORT"):
        environment["GRANIAN_PORT"] = str(taken)
    done = start(environment, command)
    if sentence == LACKS_MIGRATIONS:
        count = len(MigrationLoader(None).graph.nodes)
        sentence = sentence.format(database=database, count=count)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"dnsorch: {sentence}\n"
    assert PASSWORD not in done.stderr


def test_what_is_no_fault_of_the_setup_keeps_its_traceback(tmp_path: Path) -> None:
    environment = {"DATABASE_URL": f"sqlite:///{tmp_path}/empty.sqlite3"}
    program = (
        "from dnsorch import startup; import django; django.setup()\n"
        "from dns_records.models import Zone\n"
        "with startup.one_sentence(): Zone.objects.count()"
    )
    environment["DNSORCH_VAR_DIR"] = str(tmp_path)
    environment["DJANGO_SETTINGS_MODULE"] = "dnsorch.settings"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback (most recent call last)" in done.stderr
    assert "no such table: dns_records_zone" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        (
            {"DNSORCH_PROVIDERS": {"typo": "dns_records.providers.typo.Provider"}},
            "DNSORCH_PROVIDERS: driver 'typo': "
            "there is no module 'dns_records.providers.typo'",
        ),
        (
            {"VAULT_ADDR": "https://v", "VAULT_CREDENTIAL_REFERENCE": "vault:a/b#c"},
            "VAULT_CREDENTIAL_REFERENCE points into Vault itself",
        ),
        (
            {"VAULT_ADDR": "https://v", "VAULT_CACERT": "/none/here"},
            "VAULT_CACERT: /none/here: No such file or directory",
        ),
    ],
)
def test_what_the_settings_name_has_to_be_there(
    changed: dict[str, object], fault: str
) -> None:
    assert list(configuration.faults()) == []
    with override_settings(**changed):
        assert list(configuration.faults()) == [fault]


# --- how a variable is read -----------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "cast", "value"),
    [
        ("TRUE", bool, True),
        ("on", bool, True),
        ("0", bool, False),
        ("", bool, False),
        (" 12 ", int, 12),
        ("0.5", float, 0.5),
        ("a=b=c, d=e", dict, {"a": "b=c", "d": "e"}),
        ("", dict, {}),
        ("$not-a-variable", str, "$not-a-variable"),
    ],
)
def test_a_value_is_read_as_its_kind(
    text: str, cast: type, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THE_TEST", text)
    assert StrictEnv().get_value("OF_THE_TEST", cast=cast) == value


@pytest.mark.parametrize(
    ("text", "cast", "expected"),
    [
        ("maybe", bool, "true or false"),
        ("2", bool, "true or false"),
        ("", int, "a whole number, 0 or more"),
        ("-1", int, "a whole number, 0 or more"),
        ("1.5", int, "a whole number, 0 or more"),
        ("\u0663", int, "a whole number, 0 or more"),
        ("1,5", float, "a number, 0 or more"),
        ("nan", float, "a number, 0 or more"),
        ("inf", float, "a number, 0 or more"),
        ("a", dict, "NAME=VALUE, several separated by commas"),
        ("a=", dict, "NAME=VALUE, several separated by commas"),
    ],
)
def test_a_misspelt_value_is_refused(
    text: str, cast: type, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THE_TEST", text)
    with pytest.raises(ImproperlyConfigured) as caught:
        StrictEnv().get_value("OF_THE_TEST", cast=cast, default=None)
    assert str(caught.value) == f"OF_THE_TEST is {text!r}; expected {expected}"


@pytest.mark.parametrize(
    "url",
    [
        "postgres://h/",
        "postgres://h:port/n",
        "postgres://[::1/n",
        "mysql://h/n",
        "sqlite://",
        "sqlite://:memory:",
        "sqlite://host/n",
        "nonsense",
    ],
)
def test_no_other_database_is_taken(url: str) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        database(url)
    assert str(caught.value) == NO_DATABASE


def test_a_password_may_hold_anything_that_is_encoded() -> None:
    found = database("postgresql://u:p%40%3A%2F%23@h:5433/n?sslmode=require")
    assert (found["PASSWORD"], found["HOST"], found["PORT"]) == ("p@:/#", "h", 5433)
    assert (found["NAME"], found["OPTIONS"]) == ("n", {"sslmode": "require"})
