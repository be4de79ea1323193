"""A broker that only remembers, a zone in memory, a Route 53 in a thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from kombu.exceptions import OperationalError
from rest_framework.test import APIClient

from dns_records import nameservers
from dns_records.models import Zone
from dns_records.providers import exchange, memory
from dns_records.services import wake
from dns_records.tests import world
from dns_records.tests.callers import caller
from dns_records.tests.pretended import Servers
from dnsorch import clock
from requests_tracker import metrics

if TYPE_CHECKING:
    from dns_records.tests import provider_daemons
    from dns_records.tests.route53_server import Route53


@dataclass
class Broker:
    """Stands for the Celery application that wake-ups are published with."""

    sent: list[tuple[str, int]] = field(default_factory=list)
    error: Exception | None = None
    tries: int = 0
    #: What it holds for others than these tests.
    backlog: int = 0

    def send_task(self, name: str, *, args: list[int], **options: Any) -> None:
        """Keep a task, or fail as a broker that is down does."""
        assert options == {"retry": False}
        self.tries += 1
        if self.error is not None:
            raise self.error
        self.sent.append((name, args[0]))

    def go_down(self) -> None:
        """Take nothing more."""
        self.error = OperationalError("connection refused")


class Inline:
    """An executor that does all at once, in the thread of the test."""

    def submit(self, run: Callable[..., object], *args: object) -> None:
        """Call ``run``."""
        run(*args)


@pytest.fixture(autouse=True)
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    """Put a broker of the test's own in the place of the real one."""
    broker = Broker()
    monkeypatch.setattr(wake, "current_app", broker)
    monkeypatch.setattr(wake, "backlog", lambda: broker.backlog)
    monkeypatch.setattr(wake, "_aside", Inline())
    monkeypatch.setattr(wake, "_paused_until", 0.0)
    return broker


@pytest.fixture(scope="session")
def route53() -> Iterator[Route53]:
    """Run Route 53 once in a process: moto has one state, and takes long to stop."""
    # moto takes a second to import.
    from dns_records.tests import route53_server

    with route53_server.running() as server:
        server.create("example.test.")
        yield server


@pytest.fixture(scope="session")
def daemons(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[provider_daemons.Daemons]:
    """Give real name servers, each started when a test asks for it."""
    from dns_records.tests import provider_daemons

    with provider_daemons.Daemons(tmp_path_factory.mktemp("daemons")) as daemons:
        yield daemons


@pytest.fixture
def bind(daemons: provider_daemons.Daemons) -> provider_daemons.Bind:
    """BIND with a zone as new."""
    from dns_records.tests.provider_daemons import Bind

    server = daemons.server("bind")
    assert isinstance(server, Bind)
    return server


@pytest.fixture
def bind_zone(
    db: None, bind: provider_daemons.Bind, monkeypatch: pytest.MonkeyPatch
) -> Zone:
    """The zone of that BIND, verified there."""
    from dns_records.tests import large_zones

    monkeypatch.setenv(large_zones.SECRET, large_zones.secret(bind))
    return large_zones.register(bind)


@pytest.fixture
def zone(db: None) -> Zone:
    """A zone that nobody is asked about afterwards."""
    return world.make_zone()


@pytest.fixture
def reverse(zone: Zone) -> Zone:
    """The reverse zone of 192.0.2.0/24."""
    return world.make_zone("2.0.192.in-addr.arpa.")


@pytest.fixture
def store(zone: Zone) -> memory.Store:
    """The DNS service that the zone is on."""
    return world.store_of(zone)


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Servers:
    """Put pretended name servers in the place of real ones."""
    servers = Servers()
    monkeypatch.setattr(nameservers, "ask", servers.ask)
    return servers


@pytest.fixture
def noon() -> Iterator[datetime]:
    """Hold the clock."""
    with clock.fixed(datetime.now(tz=UTC)) as now:
        yield now


@pytest.fixture(autouse=True)
def no_connection_is_left() -> Iterator[None]:
    """Close what the test's thread keeps."""
    yield
    exchange.close_kept()


@pytest.fixture(autouse=True)
def nothing_is_stuck(request: pytest.FixtureRequest) -> Iterator[None]:
    """See that no test leaves a request behind that nothing brings to its end.

    A test that wants one is marked ``leaves_stuck``.
    """
    marked = request.node.get_closest_marker("django_db")
    names = {"db", "transactional_db"} & set(request.fixturenames)
    if not marked and not names:
        yield
        return
    # Asked for here, so that the database is still there afterwards.
    transactional = marked is not None and marked.kwargs.get("transaction")
    request.getfixturevalue(
        "transactional_db" if transactional or "transactional_db" in names else "db"
    )
    yield
    if request.node.get_closest_marker("leaves_stuck") is None:
        assert list(metrics.overdue(clock.now())) == []


@pytest.fixture
def api(zone: Zone) -> APIClient:
    """A client that may do all, with the zone there."""
    return caller()
