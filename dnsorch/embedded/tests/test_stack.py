"""The stack's processes, ports, variables and description."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from dnsorch.embedded import broker, stack
from dnsorch.embedded.errors import BrokerUnavailable, PortTaken
from dnsorch.embedded.seed import Seeded, TsigKey
from dnsorch.tests.e2e.harness import free_ports

PROCESSES = [
    "broker",
    "nameserver",
    "kafka",
    "api",
    "worker",
    "sweep",
    "consumer",
    "publisher",
]


@pytest.fixture
def embedded(settings: Settings, tmp_path: Path) -> Settings:
    """Give the settings of an embedded default with free ports, as nothing is set."""
    api, dns, kafka = free_ports(3)
    settings.VAR_DIR = tmp_path
    settings.DNSORCH_PORT_API = api
    settings.DNSORCH_PORT_DNS = dns
    settings.DNSORCH_NAMESERVERS = []
    settings.DNSORCH_PORT_KAFKA = kafka
    settings.KAFKA_BOOTSTRAP_SERVERS = f"127.0.0.1:{kafka}"
    settings.EMBEDDED_BROKER_URL = f"redis+socket://{tmp_path}/broker.sock"
    settings.CELERY_BROKER_URL = settings.EMBEDDED_BROKER_URL
    return settings


def test_every_process_replaces_its_shell(embedded: Settings) -> None:
    processes = stack.processes()
    assert list(processes) == PROCESSES
    for command in processes.values():
        assert command.startswith("exec ")


def test_the_foundation_is_made_of_processes() -> None:
    assert set(stack.FOUNDATION) <= set(PROCESSES)


@pytest.mark.parametrize(
    ("setting", "value", "left_out"),
    [
        ("CELERY_BROKER_URL", "redis://127.0.0.1:6379/0", "broker"),
        ("KAFKA_BOOTSTRAP_SERVERS", "kafka.example.test:9092", "kafka"),
        ("DNSORCH_NAMESERVERS", ["ns1.example.test:53"], "nameserver"),
    ],
)
def test_what_the_user_has_is_not_started(
    embedded: Settings, setting: str, value: object, left_out: str
) -> None:
    setattr(embedded, setting, value)
    assert list(stack.processes()) == [name for name in PROCESSES if name != left_out]


def test_free_ports_pass(embedded: Settings) -> None:
    stack.check_ports()


@pytest.mark.parametrize(
    ("variable", "kind"),
    [
        ("DNSORCH_PORT_API", socket.SOCK_STREAM),
        ("DNSORCH_PORT_DNS", socket.SOCK_STREAM),
        ("DNSORCH_PORT_DNS", socket.SOCK_DGRAM),
        ("DNSORCH_PORT_KAFKA", socket.SOCK_STREAM),
    ],
)
def test_a_taken_port_is_named_with_its_variable(
    embedded: Settings, variable: str, kind: socket.SocketKind
) -> None:
    with socket.socket(socket.AF_INET, kind) as taker:
        taker.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            taker.listen()
        port = taker.getsockname()[1]
        setattr(embedded, variable, port)
        embedded.KAFKA_BOOTSTRAP_SERVERS = f"127.0.0.1:{embedded.DNSORCH_PORT_KAFKA}"
        with pytest.raises(PortTaken, match=rf"^port {port} of .* set {variable} to"):
            stack.check_ports()


def test_the_port_of_a_kafka_elsewhere_does_not_matter(
    embedded: Settings,
) -> None:
    embedded.KAFKA_BOOTSTRAP_SERVERS = "kafka.example.test:9092"
    with socket.create_server(("127.0.0.1", 0)) as taker:
        embedded.DNSORCH_PORT_KAFKA = taker.getsockname()[1]
        stack.check_ports()


def test_the_processes_get_what_the_settings_say(embedded: Settings) -> None:
    variables = stack.environment()
    assert variables["DNSORCH_VAR_DIR"] == str(embedded.VAR_DIR)
    assert variables["DNSORCH_PORT_API"] == str(embedded.DNSORCH_PORT_API)
    assert variables["DNSORCH_PORT_DNS"] == str(embedded.DNSORCH_PORT_DNS)
    assert variables["DNSORCH_PORT_KAFKA"] == str(embedded.DNSORCH_PORT_KAFKA)
    assert variables["CELERY_BROKER_URL"] == embedded.EMBEDDED_BROKER_URL


def test_the_user_s_broker_is_left_alone(
    embedded: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded.CELERY_BROKER_URL = "redis://127.0.0.1:6379/0"
    monkeypatch.setenv("CELERY_BROKER_URL", embedded.CELERY_BROKER_URL)
    assert stack.environment()["CELERY_BROKER_URL"] == "redis://127.0.0.1:6379/0"


def test_a_socket_whose_path_is_too_long_goes_elsewhere(
    embedded: Settings, tmp_path: Path
) -> None:
    embedded.VAR_DIR = tmp_path / ("long" * 30)
    url = stack.environment()["CELERY_BROKER_URL"]
    path = broker.socket_of(url)
    assert len(os.fsencode(path)) <= broker.LONGEST_SOCKET_PATH
    assert path.name == "broker.sock"
    assert not path.is_relative_to(embedded.VAR_DIR)
    path.parent.rmdir()


def test_the_description_has_exactly_the_promised_keys(
    embedded: Settings,
) -> None:
    embedded.DNSORCH_PORT_API, embedded.DNSORCH_PORT_DNS = 8000, 5354
    embedded.KAFKA_BOOTSTRAP_SERVERS = "127.0.0.1:9092"
    seeded = Seeded(TsigKey("key.", "hmac-sha256", "c2VjcmV0"), "dno_x", "admin", "pw")
    assert stack.description(seeded) == {
        "api": "http://127.0.0.1:8000",
        "token": "dno_x",
        "kafka": "127.0.0.1:9092",
        "nameserver": "127.0.0.1:5354",
        "tsig": {"name": "key.", "algorithm": "hmac-sha256", "secret": "c2VjcmV0"},
        "zone": "example.test.",
        "admin": "http://127.0.0.1:8000/admin/",
        "admin_user": "admin",
        "admin_password": "pw",
    }


def test_what_was_seeded_does_not_show_its_secrets() -> None:
    seeded = Seeded(TsigKey("key.", "hmac-sha256", "c2VjcmV0"), "dno_x", "admin", "pw")
    assert repr(seeded) == (
        "Seeded(tsig=TsigKey(name='key.', algorithm='hmac-sha256'), admin_user='admin')"
    )


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("redis+socket:///run/broker.sock", "/run/broker.sock"),
        ("redis+socket:///a/b.sock?virtual_host=1", "/a/b.sock"),
    ],
)
def test_the_socket_in_a_broker_url(url: str, path: str) -> None:
    assert broker.socket_of(url) == Path(path)


@pytest.mark.parametrize("url", ["redis://127.0.0.1/0", "redis+socket://", ""])
def test_a_broker_that_is_not_ours_is_not_run(url: str) -> None:
    with pytest.raises(BrokerUnavailable, match="CELERY_BROKER_URL"):
        broker.socket_of(url)
