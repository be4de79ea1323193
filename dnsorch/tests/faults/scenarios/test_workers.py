"""Workers that die or stop in the middle of an UPDATE: RELIABILITY 9, 1 to 5."""

from __future__ import annotations

import pytest

from dnsorch.tests.faults.scenarios.conftest import Run
from dnsorch.tests.faults.stack import await_fired

both = pytest.mark.parametrize("zone", ["bind", "powerdns"], indirect=True)


@both
def test_killed_before_sending(run: Run, zone: str) -> None:
    with run("killed before sending", zone) as trial:
        (fired,) = trial.arm("before_send=exit")
        trial.write(4)
        await_fired(fired)
        trial.write(4)
