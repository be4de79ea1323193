"""Doors, order, crashes and time again: the same tests, the real services."""

from __future__ import annotations

from dnsorch.tests.e2e.test_crashes import (
    test_all_goes_on_without_a_broker,
    test_an_outcome_waits_for_the_publisher,
    test_messages_of_kafka_survive,
    test_requests_over_rest_survive,
    test_what_kafka_holds_waits_for_the_consumer,
)
from dnsorch.tests.e2e.test_order import test_one_name_keeps_its_order
from dnsorch.tests.e2e.test_time import (
    test_a_record_appears_and_goes_by_itself,
    test_a_scheduled_change_set_appears_at_its_time_and_not_before,
)

__all__ = [
    "test_a_record_appears_and_goes_by_itself",
    "test_a_scheduled_change_set_appears_at_its_time_and_not_before",
    "test_all_goes_on_without_a_broker",
    "test_an_outcome_waits_for_the_publisher",
    "test_messages_of_kafka_survive",
    "test_one_name_keeps_its_order",
    "test_requests_over_rest_survive",
    "test_what_kafka_holds_waits_for_the_consumer",
]
