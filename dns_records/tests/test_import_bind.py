"""Zones imported from BIND, and exported so that BIND loads them."""

from __future__ import annotations

import io
import time

import pytest

from dns_records import selectors
from dns_records.models import Zone
from dns_records.services import delivery, exports, verification
from dns_records.services.imports import Order
from dns_records.tests.large_zones import fill, imported
from dns_records.tests.provider_daemons import Bind
from dns_records.tests.world import ZONE, address, fresh
from dnsorch.tests import real

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not real.WANTED, reason="needs the real services"),
]


@pytest.mark.django_db(transaction=True)
def test_a_zone_file_is_taken_over_or_sent(bind: Bind, bind_zone: Zone) -> None:
    fill(bind, 3)
    text = (
        f"$TTL 300\n@ SOA a b 1 2 3 4 5\nn0 A {address(0)}\nn1 A 192.0.2.77\n"
        'new 60 TXT "a;b" "c"\nalias CNAME new\n'
    )
    order = Order(ZONE, file=io.BytesIO(text.encode()), digest="0")

    request = imported(bind_zone, order)
    for _ in range(100):
        delivery.drain(bind_zone.pk)
        verification.check(bind_zone.pk)
        if fresh(request).is_final:
            break
        time.sleep(0.05)

    assert fresh(request).status == "completed", fresh(request).error
    progress = selectors.imports.of_requests([request.pk])[request.pk]
    assert (progress["counts"]["taken"], progress["counts"]["sent"]) == (1, 3)
    assert bind.rrset("new.example.test.", "TXT") == (60, ('"a;b" "c"',))
    assert bind.rrset("n1.example.test.", "A") == (300, ("192.0.2.77",))
    # What the file does not name is left alone.
    assert bind.rrset("n2.example.test.", "A") == (300, (address(2),))


def test_soa_and_ns_of_an_export_are_the_servers(bind: Bind, bind_zone: Zone) -> None:
    text = "".join(exports.lines(bind_zone))
    assert " IN SOA " in text and "made up" not in text
    assert "example.test. 300 IN NS ns1.example.test.\n" in text
