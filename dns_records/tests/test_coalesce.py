"""One message for many changes."""

from __future__ import annotations

import dns.update
from hypothesis import given
from hypothesis import strategies as st

from dns_records import coalesce
from dns_records.coalesce import Wanted
from dns_records.images import Image, Key

WWW, FTP = Key("www.example.test.", "A"), Key("ftp.example.test.", "A")
ONE, TWO = Image(300, ("192.0.2.1",)), Image(60, ("192.0.2.1", "192.0.2.2"))

keys = st.sampled_from([WWW, FTP, Key("www.example.test.", "TXT")])
images = st.one_of(st.none(), st.builds(Image, st.integers(0, 3), st.just(("x",))))
changes = st.lists(st.tuples(keys, images)).map(
    lambda pairs: [Wanted(index + 1, *pair) for index, pair in enumerate(pairs)]
)


@given(changes)
def test_one_message_does_what_one_by_one_does(changes: list[Wanted]) -> None:
    state: dict[Key, Image | None] = {}
    for change in changes:
        state[change.key] = change.image
    assert coalesce.coalesce(changes).images == state


@given(changes)
def test_each_change_that_never_reaches_dns_names_the_last_of_its_rrset(
    changes: list[Wanted],
) -> None:
    last = {change.key: change.change_id for change in changes}
    assert coalesce.coalesce(changes).superseded == {
        change.change_id: last[change.key]
        for change in changes
        if change.change_id != last[change.key]
    }


def test_rrsets_keep_their_place_in_the_order_of_acceptance() -> None:
    message = coalesce.coalesce(
        [Wanted(7, WWW, ONE), Wanted(8, FTP, ONE), Wanted(9, WWW, None)]
    )
    assert list(message.images.items()) == [(WWW, None), (FTP, ONE)]
    assert message.superseded == {7: 9}


@given(st.integers(0, 40), st.integers(1, 60))
def test_octets_bound_what_the_rrset_takes_on_the_wire(
    records: int, label: int
) -> None:
    key = Key("a" * label + ".example.test.", "TXT")
    texts = tuple(f'"{index:05}"' for index in range(records))
    update = dns.update.UpdateMessage("example.test.")
    empty = len(update.to_wire())
    update.delete(key.name, key.type)
    for text in texts:
        update.add(key.name, 300, key.type, text)
    taken = len(update.to_wire()) - empty
    bound = coalesce.octets(key, Image.of(300, texts))
    assert taken <= bound <= taken + (records + 1) * (label + len(".example.test.") + 1)


def test_an_absent_rrset_takes_the_record_that_deletes_it() -> None:
    # Owner name (18 octets), type, class, TTL, length.
    assert coalesce.octets(WWW, None) == 18 + 10
    assert coalesce.octets(WWW, TWO) == (18 + 10) + 2 * (18 + 10 + 4)
