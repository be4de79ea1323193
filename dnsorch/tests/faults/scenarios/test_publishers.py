"""Outcomes reach Kafka whatever happens to publishers and to Kafka."""

from __future__ import annotations

import os
import signal
from collections import Counter

from dnsorch.tests.e2e.harness import until
from dnsorch.tests.faults.proxy import Fault, Rule
from dnsorch.tests.faults.scenarios.conftest import Run
from dnsorch.tests.faults.stack import FaultStack, await_fired
from dnsorch.tests.faults.trial import Trial
from dnsorch.tests.services.harness import ZONE

LOST = "publisher_lease_lost"
_WAITING = """
SELECT count(*) FROM requests_tracker_outboxevent AS event
JOIN requests_tracker_request AS request ON request.id = event.request_id
WHERE idempotency_key LIKE %s AND source = 'rest' AND published_at IS NULL
"""


def repeated(trial: Trial) -> int:
    """Return how many outcomes of this run Kafka has more than once."""
    ids = Counter(event.id for event in trial.evidence.published)
    return sum(count > 1 for count in ids.values())


def test_killed_and_stopped_after_producing(run: Run, stack: FaultStack) -> None:
    with run("24 publisher killed, stopped", ZONE, stack.powerdns_zone) as trial:
        with stack.another("publisher") as second:
            both = ("publisher", second)
            lost = stack.logged(LOST, *both)
            for action in ("exit", "stop"):
                (fired,) = trial.arm(f"after_produce={action}")
                trial.write(2)
                pid = await_fired(fired)
                if action == "stop":
                    stack.await_stopped(fired)
                # The one that stood by goes on with what was not marked.
                stack.end_publisher_lease()
                trial.go_on()
                if action == "stop":
                    os.kill(pid, signal.SIGCONT)
                stack.revive()
            until(
                lambda: stack.logged(LOST, *both) > lost or None,
                "the one that was stopped notices",
            )
            trial.write(2)
            trial.go_on()
        stack.end_publisher_lease()
    # What nobody knew to be there was sent again, with the id that it had.
    assert repeated(trial) >= 2


def test_kafka_is_away(run: Run, stack: FaultStack) -> None:
    zones = (ZONE, stack.powerdns_zone)
    with run("23 Kafka away", *zones, bound_s=60) as trial:
        trial.write(1)
        trial.go_on()
        stack.proxies["kafka"].add(Rule(Fault.RESET))
        trial.faults = 1
        trial.write(4)
        over_rest = 4 * trial.workload.rest * len(zones)

        def waiting() -> int:
            like = f"{trial.workload.label}-%"
            return int(stack.rows(_WAITING, like)[0][0])

        # REST goes on as if nothing were; its outcomes wait, and none is published. The
        # consumer may have got some messages with the last answer before the fault.
        until(lambda: waiting() == over_rest or None, "all outcomes wait")
    assert {each.statuses for each in trial.evidence.asked} == {(202,), ()}
    assert waiting() == 0
