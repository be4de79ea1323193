"""A change is live when the name servers of the policy answer with it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from dns_records import nameservers, tasks
from dns_records.models import Change, Zone
from dns_records.nameservers import Answer, Question, Report
from dns_records.services import backends, delivery, verification, zones
from dns_records.tests.world import (
    add,
    change_states,
    draft,
    fresh,
    make_zone,
    post,
    states,
    told,
)
from dnsorch import clock
from dnsorch.embedded.nameserver import Faults, Running, running
from requests_tracker.models import OutboxEvent, Request

pytestmark = pytest.mark.django_db

ONE, TWO, THREE = "192.0.2.53:53", "192.0.2.54:53", "192.0.2.55:53"
WWW = Question("www.example.test.", "A")


class Servers:
    """Pretended name servers, and what was asked of them."""

    def __init__(self) -> None:
        """Start with servers that hold nothing, at serial 1."""
        self.holds: dict[str, dict[Question, Answer | None]] = {}
        self.serials: dict[str, int | None] = {}
        self.errors: dict[str, str] = {}
        self.hidden: frozenset[Question] = frozenset()
        self.asked: list[tuple[str, frozenset[Question]]] = []
        self.lock = threading.Lock()

    def serve(self, address: str, *records: str, ttl: int = 300) -> None:
        """Have a server answer for www from now on; without records, with nothing."""
        answer = Answer(ttl, records) if records else None
        self.holds.setdefault(address, {})[WWW] = answer

    def ask(
        self, address: str, zone: str, questions: list[Question], *, timeout: float
    ) -> Report:
        """Answer as a name server does."""
        with self.lock:
            self.asked.append((address, frozenset(questions)))
        if address in self.errors:
            return Report(address, None, {}, self.errors[address])
        held = self.holds.get(address, {})
        return Report(
            address,
            self.serials.get(address, 1),
            {question: held.get(question) for question in questions},
            None,
            self.hidden,
        )

    def whom(self) -> list[str]:
        """Return who was asked since the last time."""
        with self.lock:
            asked, self.asked = self.asked, []
        return sorted(address for address, _ in asked)


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


def served_by(*addresses: str, **fields: Any) -> Zone:
    """Register a zone that is verified at these name servers."""
    return make_zone(nameservers=list(addresses), **{"verify_policy": "all", **fields})


def seen(request: Request) -> list[list[tuple[str, int | None]]]:
    """Return for each change who shows it, and at which serial."""
    return [
        [(each["address"], each["serial"]) for each in change.nameservers]
        for change in Change.objects.filter(request=request).order_by("id")
    ]


def check_at(zone: Zone, moment: datetime) -> bool:
    """Check at ``moment``."""
    with clock.fixed(moment):
        return verification.check(zone.pk)


# --- policies ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "k", "asked", "serving", "live"),
    [
        ("none", None, [], [], True),
        ("primary", None, [ONE], [ONE], True),
        ("primary", None, [ONE], [TWO, THREE], False),
        ("all", None, [ONE, TWO, THREE], [ONE, TWO, THREE], True),
        ("all", None, [ONE, TWO, THREE], [ONE, THREE], False),
        ("k-of-n", 2, [ONE, TWO, THREE], [ONE, THREE], True),
        ("k-of-n", 2, [ONE, TWO, THREE], [THREE], False),
        ("k-of-n", 1, [ONE, TWO, THREE], [TWO], True),
        ("k-of-n", 3, [ONE, TWO, THREE], [ONE, TWO, THREE], True),
    ],
)
def test_who_is_asked_and_how_many_must_agree(
    db: None,
    servers: Servers,
    policy: str,
    k: int | None,
    asked: list[str],
    serving: list[str],
    live: bool,
) -> None:
    zone = served_by(ONE, TWO, THREE, verify_policy=policy, verify_k=k)
    request = add("www", "192.0.2.1")
    delivery.drain(zone.pk)
    for address in serving:
        servers.serve(address, "192.0.2.1")
    assert verification.check(zone.pk) is not live
    assert servers.whom() == asked
    request = fresh(request)
    assert request.status == ("completed" if live else "verifying")
    assert seen(request) == [[(address, 1) for address in asked if address in serving]]
    assert change_states(request) == ["verified" if live else "applied"]
    assert OutboxEvent.objects.count() == live
    if live:
        assert told(request)[-2:] == ["verified", "completed"]


@pytest.mark.parametrize(
    "served",
    [
        (["192.0.2.2"], 300),
        (["192.0.2.1"], 60),
        (["192.0.2.1", "192.0.2.2"], 300),
        ([], 300),
    ],
    ids=["another record", "another TTL", "one too many", "nothing"],
)
def test_only_the_image_itself_counts(
    db: None, servers: Servers, served: tuple[list[str], int]
) -> None:
    zone = served_by(ONE)
    request = add("www", "192.0.2.1")
    delivery.drain(zone.pk)
    records, ttl = served
    servers.serve(ONE, *records, ttl=ttl)
    assert verification.check(zone.pk) is True
    assert seen(request) == [[]]
    assert fresh(request).status == "verifying"


def test_an_rrset_that_is_gone_is_verified_too(db: None, servers: Servers) -> None:
    zone = served_by(ONE)
    add("www", "192.0.2.1")
    delivery.drain(zone.pk)
    servers.serve(ONE, "192.0.2.1")
    verification.check(zone.pk)
    request = post(draft("delete", "www", "A"))
    delivery.drain(zone.pk)
    assert verification.check(zone.pk) is True
    servers.serve(ONE)
    Change.objects.update(next_check_at=clock.now())
    verification.check(zone.pk)
    assert fresh(request).status == "completed"


def test_what_a_delegation_hides_is_not_waited_for(db: None, servers: Servers) -> None:
    zone = served_by(ONE)
    request = add("www", "192.0.2.1")
    delivery.drain(zone.pk)
    servers.hidden = frozenset({WWW})
    servers.holds[ONE] = {}
    verification.check(zone.pk)
    assert fresh(request).status == "completed"


# --- lag -----------------------------------------------------------------------------


def test_a_server_that_lags_is_told_and_asked_alone(
    db: None, servers: Servers, noon: datetime
) -> None:
    zone = served_by(ONE, TWO)
    request = add("www", "192.0.2.1")
    delivery.drain(zone.pk)
    servers.serve(ONE, "192.0.2.1")
    servers.serials[ONE] = 7
    assert verification.check(zone.pk) is True
    assert servers.whom() == [ONE, TWO]
    assert told(request) == ["sent", "applied", "propagating"]
    last = request.events.order_by("sequence").last()
    assert last is not None and last.data == {"missing": [TWO]}
    assert verification.check(zone.pk) is True
    assert servers.whom() == []  # not due yet, and still missing
    assert check_at(zone, noon + timedelta(seconds=0.1)) is True
    assert servers.whom() == [TWO]
    assert told(request) == ["sent", "applied", "propagating"]
    servers.serve(TWO, "192.0.2.1")
    servers.serials[TWO] = 8
    later = noon + timedelta(seconds=1)
    assert check_at(zone, later) is False
    assert servers.whom() == [TWO]
    assert seen(request) == [[(ONE, 7), (TWO, 8)]]
    (change,) = request.changes.all()
    assert [datetime.fromisoformat(each["seen_at"]) for each in change.nameservers] == [
        noon,
        later,
    ]
    assert fresh(request).completed_at == later
    assert told(request)[3:] == ["verified", "completed"]


def test_checks_come_later_each_time(
    db: None, servers: Servers, noon: datetime
) -> None:
    zone = served_by(ONE)
    request = add("www", "192.0.2.1")
    delivery.drain(zone.pk)
    waits = []
    moment = noon
    for _ in range(12):
        check_at(zone, moment)
        due = Change.objects.get(request=request).next_check_at
        assert due is not None
        waits.append((due - moment).total_seconds())
        moment = due
    assert waits == sorted(waits)
    assert waits[:3] == [0.05, 0.05, 0.05]
    assert max(waits) <= 15.0


@pytest.mark.parametrize(
    ("error", "serial", "why"),
    [
        ("timed out", None, f"{TWO} gives no answer: timed out"),
        (None, 6, f"{TWO} is behind: it has serial 6, the newest is 7"),
        (
            None,
            2**32 - 1,
            f"{TWO} is behind: it has serial 4294967295, the newest is 7",
        ),
        (None, 7, f"{TWO} answers with something else (serial 7)"),
        (None, 8, f"{TWO} answers with something else (serial 8)"),
    ],
)
def test_a_server_that_never_shows_it_is_named(
    db: None,
    servers: Servers,
    noon: datetime,
    error: str | None,
    serial: int | None,
    why: str,
) -> None:
    zone = served_by(ONE, TWO, verify_deadline_s=60)
    request = add("www", "192.0.2.1")
    delivery.drain(zone.pk)
    servers.serials = {ONE: 7, TWO: serial}
    if error:
        servers.errors[TWO] = error
    check_at(zone, noon + timedelta(seconds=59))
    assert fresh(request).status == "verifying"
    servers.serve(ONE, "192.0.2.1")
    check_at(zone, noon + timedelta(seconds=60))
    request = fresh(request)
    assert (request.status, request.error_code) == ("failed", "not_verified")
    assert request.error == {
        "code": "not_verified",
        "detail": "www.example.test. A was applied and is not served by every name "
        f"server: {why}",
        "errors": [{"pointer": "", "code": "not_verified", "detail": why}],
    }
    # It stays applied and wanted, and nobody is asked any more.
    (change,) = request.changes.all()
    assert (change.status, change.next_check_at) == ("applied", None)
    assert change.after == {"ttl": 300, "records": ["192.0.2.1"]}
    servers.whom()
    check_at(zone, noon + timedelta(hours=1))
    assert servers.whom() == []


def test_a_deadline_passes_for_one_and_not_for_another(
    db: None, servers: Servers, noon: datetime
) -> None:
    zone = served_by(ONE, verify_deadline_s=60)
    late = add("www", "192.0.2.1")
    delivery.drain(zone.pk)
    with clock.fixed(noon + timedelta(seconds=30)):
        young = add("ftp", "192.0.2.1")
        delivery.drain(zone.pk)
    check_at(zone, noon + timedelta(seconds=60))
    assert states([late, young]) == ["failed", "verifying"]
    servers.holds[ONE] = {
        Question("ftp.example.test.", "A"): Answer(300, ("192.0.2.1",))
    }
    check_at(zone, noon + timedelta(seconds=90))
    assert states([late, young]) == ["failed", "completed"]
    events = OutboxEvent.objects.order_by("event_seq")
    assert list(events.values_list("request", "event_seq")) == [
        (late.pk, 1),
        (young.pk, 2),
    ]


def test_a_change_set_is_live_when_all_of_it_is(db: None, servers: Servers) -> None:
    zone = served_by(ONE)
    request = post(
        draft("add", "www", "A", "192.0.2.1"), draft("add", "ftp", "A", "192.0.2.1")
    )
    delivery.drain(zone.pk)
    servers.serve(ONE, "192.0.2.1")
    assert verification.check(zone.pk) is True
    assert fresh(request).status == "verifying"
    assert change_states(request) == ["verified", "applied"]
    servers.holds[ONE][Question("ftp.example.test.", "A")] = Answer(300, ("192.0.2.1",))
    Change.objects.filter(name="ftp.example.test.").update(next_check_at=clock.now())
    assert verification.check(zone.pk) is False
    assert fresh(request).status == "completed"


# --- superseded ----------------------------------------------------------------------


def test_a_later_change_that_is_live_completes_the_earlier_too(
    db: None, servers: Servers, noon: datetime
) -> None:
    zone = served_by(ONE, TWO)
    first = post(draft("put", "www", "A", "192.0.2.1"))
    delivery.drain(zone.pk)
    servers.serve(ONE, "192.0.2.1")
    verification.check(zone.pk)
    second = post(draft("put", "www", "A", "192.0.2.2"))
    delivery.drain(zone.pk)
    assert change_states(first) == ["superseded"]
    assert first.changes.get().superseded_by == second.changes.get()
    assert told(first)[-1] == "superseded"
    event = first.events.order_by("sequence").last()
    assert event is not None and event.data == {"superseded_by": str(second.pk)}
    for address in (ONE, TWO):
        servers.serve(address, "192.0.2.2")
    servers.serials = {ONE: 2, TWO: 3}
    check_at(zone, noon + timedelta(seconds=1))
    assert states([first, second]) == ["completed"] * 2
    assert seen(first) == [[(ONE, 1), (TWO, 3)]]
    assert seen(second) == [[(ONE, 2), (TWO, 3)]]
    assert change_states(first) == ["superseded"]
    assert change_states(second) == ["verified"]


def test_an_earlier_image_says_nothing_about_a_later_change(
    db: None, servers: Servers, noon: datetime
) -> None:
    zone = served_by(ONE)
    first = post(draft("put", "www", "A", "192.0.2.1"))
    second = post(draft("put", "www", "A", "192.0.2.2"))
    delivery.drain(zone.pk)
    servers.serve(ONE, "192.0.2.1")
    verification.check(zone.pk)
    assert states([first, second]) == ["completed", "verifying"]


def test_a_change_that_is_superseded_while_its_check_runs_keeps_its_place(
    db: None, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone = served_by(ONE)
    first = post(draft("put", "www", "A", "192.0.2.1"))
    delivery.drain(zone.pk)
    servers.serve(ONE, "192.0.2.1")
    ask, later = verification._ask, []

    def meanwhile(*args: Any) -> list[Report]:
        monkeypatch.setattr(verification, "_ask", ask)
        reports = ask(*args)
        later.append(post(draft("put", "www", "A", "192.0.2.2")))
        delivery.drain(zone.pk)
        return reports

    monkeypatch.setattr(verification, "_ask", meanwhile)
    verification.check(zone.pk)
    assert change_states(first) == ["superseded"]
    assert states([first, *later]) == ["completed", "verifying"]


def test_a_change_that_was_verified_is_not_superseded_afterwards(
    db: None, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone = served_by(ONE)
    first = post(draft("put", "www", "A", "192.0.2.1"))
    delivery.drain(zone.pk)
    servers.serve(ONE, "192.0.2.1")
    verification.check(zone.pk)
    post(draft("put", "www", "A", "192.0.2.2"))
    delivery.drain(zone.pk)
    assert change_states(first) == ["verified"]
    assert told(first) == ["sent", "applied", "verified", "completed"]


# --- who asks, and when --------------------------------------------------------------


def test_two_that_check_do_not_ask_twice(
    db: None, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone = served_by(ONE)
    add("www", "192.0.2.1")
    delivery.drain(zone.pk)
    ask = verification._ask

    def other_meanwhile(*args: Any) -> list[Report]:
        monkeypatch.setattr(verification, "_ask", ask)
        verification.check(zone.pk)
        return ask(*args)

    monkeypatch.setattr(verification, "_ask", other_meanwhile)
    verification.check(zone.pk)
    assert servers.whom() == [ONE]


def test_who_dies_while_it_asks_loses_nothing(
    db: None, servers: Servers, noon: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone = served_by(ONE)
    request = add("www", "192.0.2.1")
    delivery.drain(zone.pk)
    servers.serve(ONE, "192.0.2.1")

    def die(*args: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr(verification, "_ask", die)
        verification.check(zone.pk)
    check_at(zone, noon + verification.CLAIM)
    assert fresh(request).status == "completed"


def test_the_zone_that_is_gone_is_not_checked(db: None, servers: Servers) -> None:
    assert verification.check(4711) is False


@pytest.mark.parametrize(
    ("lag_checks", "in_time"), [(0, True), (1, True), (3, True), (99, False)]
)
def test_a_worker_asks_again_right_away_for_a_moment(
    db: None,
    servers: Servers,
    monkeypatch: pytest.MonkeyPatch,
    lag_checks: int,
    in_time: bool,
) -> None:
    """Not due is not done: the change is asked for again within the second."""
    zone = served_by(ONE)
    request = add("www", "192.0.2.1")
    start = datetime.now(tz=UTC)
    passed = [0.0]
    ask = servers.ask

    def lagging(*args: Any, **kwargs: Any) -> Report:
        if len(servers.asked) >= lag_checks:
            servers.serve(ONE, "192.0.2.1")
        return ask(*args, **kwargs)

    monkeypatch.setattr(nameservers, "ask", lagging)

    def pause(seconds: float) -> None:
        passed[0] += seconds

    monkeypatch.setattr(time, "sleep", pause)
    monkeypatch.setattr(clock, "now", lambda: start + timedelta(seconds=passed[0]))
    tasks.deliver(zone.pk)
    assert fresh(request).status == ("completed" if in_time else "verifying")
    assert passed[0] <= 1.0
    if lag_checks == 99:
        assert len(servers.asked) == 4


def test_a_change_that_lags_for_long_keeps_no_worker_waiting(
    db: None, servers: Servers, noon: datetime
) -> None:
    zone = served_by(ONE)
    add("www", "192.0.2.1")
    delivery.drain(zone.pk)
    # Due again in fifteen seconds: nobody has to stay for that.
    assert check_at(zone, noon + timedelta(seconds=60)) is False


# --- over the wire -------------------------------------------------------------------


def wire_zone(primary: Running, *others: Running, **fields: Any) -> Zone:
    """Register a zone on real (development) name servers."""
    options = {"server": primary.host, "port": primary.port}
    return zones.register(
        name="example.test.",
        backend=backends.save(name=uuid4().hex, driver="rfc2136", options=options),
        nameservers=[f"{each.host}:{each.port}" for each in (primary, *others)],
        **fields,
    )


def until(done: Callable[[], bool], request: Request) -> None:
    """Wait for ``done``, at most ten seconds; show the timeline if it never is."""
    end = time.monotonic() + 10
    while not done():
        assert time.monotonic() < end, told(request)
        threading.Event().wait(0.02)


def test_a_secondary_that_lags_is_waited_for(db: None) -> None:
    with running() as primary:
        address = (primary.host, primary.port)
        with running(primary=address, faults=Faults(lag=0.3)) as secondary:
            zone = wire_zone(primary, secondary)
            request = add("www", "192.0.2.1")
            delivery.drain(zone.pk)
            assert verification.check(zone.pk) is True

            def live() -> bool:
                verification.check(zone.pk)
                return fresh(request).status == "completed"

            until(live, request)
    assert told(request) == ["sent", "applied", "propagating", "verified", "completed"]
    first, second = request.changes.get().nameservers
    assert first["seen_at"] < second["seen_at"]


def test_a_secondary_that_never_gets_it_is_named(db: None) -> None:
    with running() as primary:
        address = (primary.host, primary.port)
        with running(primary=address, faults=Faults(lag=float("inf"))) as secondary:
            zone = wire_zone(primary, secondary, verify_deadline_s=60)
            request = add("www", "192.0.2.1")
            delivery.drain(zone.pk)
            verification.check(zone.pk)
            check_at(zone, clock.now() + timedelta(seconds=61))
            where = f"{secondary.host}:{secondary.port}"
    error = fresh(request).error
    assert error is not None and error["code"] == "not_verified"
    (reason,) = error["errors"]
    assert reason["detail"].startswith(f"{where} is behind: it has serial ")


def test_a_server_that_is_down_is_named(db: None) -> None:
    with running() as primary:
        with running() as other:
            where = f"{other.host}:{other.port}"
            zone = wire_zone(primary, other)
        request = add("www", "192.0.2.1")
        delivery.drain(zone.pk)
        check_at(zone, clock.now() + timedelta(seconds=301))
    error = fresh(request).error
    assert error is not None
    assert error["errors"][0]["detail"].startswith(f"{where} gives no answer: ")


def test_the_zone_shows_the_serial_of_its_primary(servers: Servers) -> None:
    zone = served_by(ONE, TWO)
    assert zone.serial is None
    servers.serials = {ONE: 7, TWO: 5}
    servers.serve(ONE, "192.0.2.1")
    add("www", "192.0.2.1")
    delivery.drain(zone.pk)

    verification.check(zone.pk)

    assert Zone.objects.get(pk=zone.pk).serial == 7
