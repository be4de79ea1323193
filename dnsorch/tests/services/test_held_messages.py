"""A message that a stopped name server finds in its socket when it goes on again."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from deploy.services import tsig
from dns_records.providers import exchange
from dns_records.providers.base import RRsetChange
from dns_records.providers.errors import OutcomeUnknown
from dns_records.providers.rfc2136 import Rfc2136Provider
from dns_records.tcp import Deadline
from dnsorch.tests import real
from dnsorch.tests.e2e.harness import until
from dnsorch.tests.services.harness import ZONE, RealStack, unique


@pytest.mark.parametrize("server", ["bind", "powerdns"])
@pytest.mark.parametrize(
    ("good_for", "applied"), [(1.0, False), (60.0, True)], ids=["short", "long"]
)
def test_it_has_no_effect_after_its_time(
    stack: RealStack, server: str, good_for: float, applied: bool
) -> None:
    on_bind = server == "bind"
    zone = ZONE if on_bind else real.setting("DNSORCH_TEST_PDNS_ZONE")
    address = real.setting("DNSORCH_TEST_BIND" if on_bind else "DNSORCH_TEST_PDNS")
    host, _, port = address.rpartition(":")
    options = {"server": host, "port": int(port), "key_name": tsig.OURS}
    held, other = (
        RRsetChange(unique(label, zone), "A", 60, ("192.0.2.1",))
        for label in ("held", "other")
    )
    pid = stack.pid(server)
    os.kill(pid, signal.SIGSTOP)
    try:
        hasty = Rfc2136Provider({**options, "timeout_s": 0.3}, secret)
        with pytest.raises(OutcomeUnknown):
            hasty.apply(zone, [held], until=Deadline(good_for))
        # A signature has whole seconds: after this one it is older than its fudge.
        over = int(time.time()) + 3
        until(lambda: time.time() >= over or None, "its time is over")
    finally:
        os.kill(pid, signal.SIGCONT)
    provider = Rfc2136Provider(options, secret)
    try:
        if applied:
            until(lambda: provider.probe(zone, [held]) or None, "it is applied late")
        else:
            provider.apply(zone, [other])
            assert provider.probe(zone, [other])
            assert not provider.probe(zone, [held])
        gone = [RRsetChange(each.name, "A", 0, ()) for each in (held, other)]
        provider.apply(zone, gone)
    finally:
        exchange.close_kept()


def secret(*, fresh: bool = False) -> str:
    """Return the secret of our key."""
    path = Path(real.setting("DNSORCH_TEST_TSIG_SECRET_FILE"))
    return path.read_text().strip()
