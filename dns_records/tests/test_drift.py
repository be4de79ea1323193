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

    def kinds(
        applied: dict[Key, Image], served: dict[Key, Image], own: tuple[Key, ...] = ()
    ) -> list[str]:
        return [each.kind for each in drift.compare(applied, served, own)]

    assert drift.is_compared("example.test.", key)
    assert kinds({}, {key: THEIRS}) == []
    assert kinds({key: OURS}, {key: THEIRS}) == ["different"]
    assert kinds({key: OURS}, {}) == ["missing"]
    assert kinds({}, {key: THEIRS}, own=(key,)) == ["different"]
