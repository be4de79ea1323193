"""The table of transitions."""

from __future__ import annotations

from itertools import product

import pytest

from dnsorch.exceptions import IllegalTransition
from requests_tracker import status
from requests_tracker.status import Status

ALLOWED = {
    ("received", "rejected"),
    ("received", "queued"),
    ("received", "awaiting_approval"),
    ("received", "scheduled"),
    ("received", "completed"),
    ("awaiting_approval", "scheduled"),
    ("awaiting_approval", "queued"),
    ("awaiting_approval", "rejected"),
    ("awaiting_approval", "cancelled"),
    ("scheduled", "queued"),
    ("scheduled", "failed"),
    ("scheduled", "cancelled"),
    ("queued", "provisioning"),
    ("queued", "failed"),
    ("queued", "cancelled"),
    ("provisioning", "queued"),
    ("provisioning", "verifying"),
    ("provisioning", "failed"),
    ("verifying", "completed"),
    ("verifying", "failed"),
}


@pytest.mark.parametrize(("before", "after"), sorted(product(Status, Status)))
def test_a_step_is_allowed_exactly_where_the_contract_has_it(
    before: Status, after: Status
) -> None:
    if (before, after) in ALLOWED:
        status.check(before, after)
        return
    with pytest.raises(IllegalTransition) as caught:
        status.check(before, after)
    assert caught.value.detail == f"a request that is {before} cannot become {after}"


def test_final_and_cancellable_states() -> None:
    assert status.FINAL == {"rejected", "completed", "failed", "cancelled"}
    assert status.OPEN == set(Status) - status.FINAL
    assert status.CANCELLABLE == {"queued", "scheduled", "awaiting_approval"}


def test_an_unknown_state_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="'paused' is not a valid Status"):
        status.check("queued", "paused")
