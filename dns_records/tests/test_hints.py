"""When the sweep says again that work is due, and when it does it itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import SimpleNamespace

import pytest

from dns_records.services import hints
from dns_records.services.hints import Act, Hints, Key

pytestmark = pytest.mark.embedded

ONE, OTHER = ("deliver", 1), ("deliver", 2)
NOTHING: Mapping[Key, object] = {}


class Sweeps:
    """Sweeps a second apart that find what a test says."""

    def __init__(self) -> None:
        """Start a day after the machine did, with nothing at the broker."""
        self.now = 86_400.0
        self.backlog = 0
        self.hints = Hints(lambda: self.backlog)

    def sweep(
        self, found: Mapping[Key, object], *, done: int = 0, said: bool = False
    ) -> dict[Key, Act]:
        """Find these due, since when; return what is to be done."""
        self.hints.begin()
        acts = {
            key: self.hints.found(key, since, done=done, said=said)
            for key, since in found.items()
        }
        for key, act in acts.items():
            if act is Act.DO:
                self.hints.done_here(key)
        self.hints.end()
        self.now += 1.0
        return acts

    def when(self, act: Act, key: Key, found: Iterable[Mapping[Key, object]]) -> object:
        """Return at which seconds something is done about one of them."""
        return [
            second
            for second, each in enumerate(found)
            if self.sweep(each).get(key) is act
        ]


@pytest.fixture
def sweeps(monkeypatch: pytest.MonkeyPatch) -> Sweeps:
    """Put a clock of the test's own into the hints."""
    sweeps = Sweeps()
    monkeypatch.setattr(hints, "time", SimpleNamespace(monotonic=lambda: sweeps.now))
    return sweeps


@pytest.mark.parametrize("backlog", [0, 5])
def test_what_nobody_hears_is_done_here_until_it_is_gone(
    sweeps: Sweeps, backlog: int
) -> None:
    sweeps.backlog = backlog
    acts = [sweeps.sweep({ONE: None})[ONE] for _ in range(9)]
    again = Act.LEAVE if backlog else Act.HINT
    leave = [Act.LEAVE] * 2
    assert acts == [Act.HINT, *leave, again, *leave, *[Act.DO] * 3]


MOVING: dict[str, list[Mapping[Key, object]]] = {
    "other work": [{ONE: None, OTHER: second} for second in range(130)],
    "gone now and then": [
        {ONE: None, OTHER: None} if second % 4 else {ONE: None} for second in range(130)
    ],
}


@pytest.mark.parametrize("found", MOVING.values(), ids=MOVING)
def test_what_the_broker_still_holds_is_seldom_said_again(
    sweeps: Sweeps, found: list[Mapping[Key, object]]
) -> None:
    sweeps.backlog = 1
    assert sweeps.when(Act.HINT, ONE, found) == [0, 60, 120]


@pytest.mark.parametrize("found", MOVING.values(), ids=MOVING)
def test_what_the_broker_holds_no_more_was_lost(
    sweeps: Sweeps, found: list[Mapping[Key, object]]
) -> None:
    assert sweeps.when(Act.HINT, ONE, found[:10]) == [0, 3, 6, 9]
    sweeps.backlog = 1
    assert sweeps.when(Act.HINT, ONE, found[10:30]) == []
    sweeps.backlog = 0
    assert sweeps.when(Act.HINT, ONE, found[30:36]) == [0, 3]


@pytest.mark.parametrize(("backlog", "first"), [(0, Act.HINT), (1, Act.LEAVE)])
def test_what_others_have_said_is_not_said_where_it_may_be_heard(
    sweeps: Sweeps, backlog: int, first: Act
) -> None:
    sweeps.backlog = backlog
    assert sweeps.sweep({ONE: None}, said=True) == {ONE: first}


def test_when_nothing_moves_any_more_it_is_done_here(sweeps: Sweeps) -> None:
    moving = [{ONE: None, OTHER: second} for second in range(10)]
    still = [{ONE: None, OTHER: 9} for _ in range(10)]
    # The last that moved was seen at second 9.
    assert sweeps.when(Act.DO, ONE, moving + still) == [15, 16, 17, 18, 19]


def test_what_was_done_here_is_no_sign_of_life(sweeps: Sweeps) -> None:
    for _ in range(7):
        acts = sweeps.sweep({ONE: None, OTHER: None})
    assert set(acts.values()) == {Act.DO}
    # One is gone, for it was done; the other has other work.
    assert sweeps.sweep({OTHER: 5}) == {OTHER: Act.HINT}
    assert sweeps.when(Act.DO, OTHER, [{OTHER: 5}] * 8) == [5, 6, 7]


def test_other_work_of_a_zone_is_said_at_once(sweeps: Sweeps) -> None:
    found = [{ONE: second // 2} for second in range(6)]
    assert sweeps.when(Act.HINT, ONE, found) == [0, 2, 4]


def test_what_comes_back_was_said_a_moment_ago(sweeps: Sweeps) -> None:
    """A lane at work is found whenever it makes room: it knows."""
    found = [{ONE: None}, NOTHING] * 3
    assert sweeps.when(Act.HINT, ONE, found) == [0, 4]


def test_a_lane_at_work_shows_that_somebody_works(sweeps: Sweeps) -> None:
    acts = [sweeps.sweep({ONE: None}, done=second)[ONE] for second in range(30)]
    assert acts == [Act.HINT, *[Act.LEAVE] * 2] * 10


def test_a_lane_that_only_the_sweep_drains_does_not_wait_anew(sweeps: Sweeps) -> None:
    """Nobody hears, and there is always more to do: it is done in each sweep."""
    done, acts = 0, []
    for _ in range(12):
        (act,) = sweeps.sweep({ONE: None}, done=done).values()
        acts.append(act)
        done += act is Act.DO
    assert acts[6:] == [Act.DO] * 6


def test_nothing_is_kept_of_what_is_gone(sweeps: Sweeps) -> None:
    sweeps.sweep({("deliver", number): None for number in range(100)})
    for _ in range(4):
        sweeps.sweep(NOTHING)
    assert not sweeps.hints._due
