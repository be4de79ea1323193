"""The API against a model: whatever is asked in whatever order, both say the same.

Hypothesis draws writes of both versions, replays, conditions, cancellations, retries,
dry runs and a DNS service that refuses, loses or does not answer, all interleaved. The
model foretells each status, the wanted state and every request's state.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from dns_records.tests.api_machine import NAMES, Api
from dns_records.tests.api_model import Op

# More of them, and other ones each time: DNSORCH_TEST_EXAMPLES=500.
EXAMPLES = int(os.environ.get("DNSORCH_TEST_EXAMPLES", "0"))


@pytest.mark.django_db
def test_the_api_does_what_the_model_says() -> None:
    run_state_machine_as_test(
        Api,
        settings=settings(
            max_examples=EXAMPLES or 6,
            stateful_step_count=50 if EXAMPLES else 25,
            derandomize=not EXAMPLES,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


# --- it finds what is wrong ---------------------------------------------------------

A_ONE = Op("create", NAMES[0], "A", frozenset({"192.0.2.1"}))
A_MORE = Op("add", NAMES[0], "A", frozenset({"192.0.2.2"}))
B_ONE = Op("create", NAMES[1], "A", frozenset({"192.0.2.1"}))


def refused_and_followed(api: Api) -> None:
    """Have a service refuse a change set that another one builds upon."""
    api.change_set([A_ONE, B_ONE], "plain")
    api.change_set([Op("add", NAMES[1], "A", frozenset({"192.0.2.2"}))], "plain")
    api.drain("refuse_names")
    api.agrees()


def cancelled(api: Api) -> None:
    """Cancel a change set that another one builds upon."""
    api.change_set([A_ONE], "plain")
    api.change_set([Op("replace", NAMES[0], "A", frozenset({"192.0.2.2"}))], "plain")
    api.operate(0, "cancel")
    api.agrees()


def asked_for_twice(api: Api) -> None:
    """Send a change set twice with one key."""
    api.change_set([A_MORE], "keyed")
    api.replay(0, same=True)
    api.agrees()


def under_a_condition(api: Api) -> None:
    """Write what must not be there, and is."""
    api.change_set([A_ONE], "plain")
    api.rrset((NAMES[0], "A"), None, "absent", False, "plain")


def lost(api: Api) -> None:
    """Lose the answer to a message, and what was asked meanwhile."""
    api.drain("none")
    api.change_set([A_ONE], "plain")
    api.drain("lose_answer")
    api.operate(0, "cancel")
    api.drain("none")
    api.agrees()


def forgets_to_replay(locked: Any, waiting: Any, gone: Any) -> Any:
    """Take change sets out, and leave the wanted state as it is."""
    return gone, {}, {}


def knows_no_key(*args: Any) -> None:
    """Take each key for a new one."""


Story = Callable[[Api], None]
IN = "dns_records.services"
KEYS_IN = "requests_tracker.services.idempotency"
DAMAGE: list[tuple[Story, dict[str, Any]]] = [
    (refused_and_followed, {f"{IN}.withdrawal._replay": forgets_to_replay}),
    (cancelled, {f"{IN}.withdrawal._replay": forgets_to_replay}),
    (
        asked_for_twice,
        {f"{KEYS_IN}.claim": knows_no_key},
    ),
    (under_a_condition, {f"{IN}.preconditions.Precondition.expect": knows_no_key}),
    (lost, {f"{IN}.lane_run.LaneRun.must_take_over": False}),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("story", "damage"), DAMAGE)
def test_damage_is_found(
    story: Story, damage: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Api()
    story(whole)
    whole.teardown()
    for what, instead in damage.items():
        monkeypatch.setattr(what, instead)
    damaged = Api()
    try:
        with pytest.raises(AssertionError):
            story(damaged)
    finally:
        damaged.undo()
