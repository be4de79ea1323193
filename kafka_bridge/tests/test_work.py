"""Which offset may be stored, whatever the order in which messages are done."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kafka_bridge.tests.support import message
from kafka_bridge.work import PartitionWork, Pending, pending


def held(*offsets: int) -> tuple[PartitionWork, dict[int, Pending]]:
    work = PartitionWork()
    items = {offset: Pending(message(b"{}", offset=offset)) for offset in offsets}
    for item in items.values():
        work.take(item)
    return work, items


def test_nothing_to_store_before_the_first_is_done() -> None:
    work, items = held(3, 4)
    items[4].done = True
    assert work.offset_to_store() is None
    assert work.position is None
    assert len(work) == 2


def test_the_highest_contiguous_offset_is_stored_once() -> None:
    work, items = held(3, 4, 9, 10)
    items[3].done = items[4].done = items[10].done = True
    assert work.offset_to_store() == 5
    assert work.offset_to_store() is None
    items[9].done = True
    assert work.offset_to_store() == 11
    assert work.position == 11
    assert len(work) == 0


def test_waiting_keeps_order_and_leaves_out_what_is_done() -> None:
    work, items = held(1, 2, 3)
    items[2].done = True
    assert [item.message.offset for item in work.waiting()] == [1, 3]


def test_a_message_that_was_taken_is_not_taken_again() -> None:
    work, _ = held(1, 2)
    work.take(Pending(message(b"{}", offset=1)))
    assert len(work) == 2


def test_due_only_when_the_back_off_is_over() -> None:
    work, items = held(1)
    assert work.due(0.0)
    work.retry_at = 5.0
    assert not work.due(4.9)
    assert work.due(5.0)
    items[1].done = True
    assert not work.due(5.0)


def test_taking_a_message_means_the_end_is_not_reached() -> None:
    work = PartitionWork()
    work.at_end = True
    work.take(Pending(message(b"{}")))
    assert not work.at_end


def test_poison_is_pending_with_its_rejection() -> None:
    item = pending(message(b"{"))
    assert item.item == b""
    assert item.rejection is not None and item.rejection.code == "invalid_json"


@given(st.permutations(range(8)))
def test_every_order_ends_behind_the_last_and_never_passes_a_gap(
    order: list[int],
) -> None:
    work, items = held(*range(8))
    done: set[int] = set()
    stored = 0
    for offset in order:
        items[offset].done = True
        done.add(offset)
        stored = work.offset_to_store() or stored
        contiguous = next(n for n in range(9) if n not in done)
        assert stored == contiguous
    assert stored == 8
