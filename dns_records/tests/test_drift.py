"""What differs between an update server and what dnsorch wrote to it."""

from __future__ import annotations

import pytest

from dns_records import drift
from dns_records.images import Image, Key

pytestmark = pytest.mark.embedded

OURS = Image(300, ("0 0 0 00",))
THEIRS = Image(300, (f"3613 15 2 {'ab' * 32}",))


@pytest.mark.parametrize("rtype", ["CDNSKEY", "CDS", "DNSKEY"])
def test_what_signers_publish_is_compared_where_dnsorch_wrote_it(rtype: str) -> None:
    key = Key("example.test.", rtype)

    def kind(
        wanted: Image | None, served: Image | None, *, ours: bool = False
    ) -> str | None:
        found = drift.difference(key, wanted, served)
        assert found is not None
        found = drift.ours(found) if ours else found
        return None if drift.is_of_signers(found) else found.kind

    assert drift.is_compared("example.test.", key)
    assert kind(None, THEIRS) is None
    assert kind(OURS, THEIRS) == "different"
    assert kind(OURS, None) == "missing"
    assert kind(None, THEIRS, ours=True) == "different"
