"""Dead letters in the admin: listed from Kafka, chosen, put back by a task."""

from __future__ import annotations

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from dnsorch.operator_tasks.models import OperatorTask
from dnsorch.operator_tasks.tests.broker import Broker, use
from kafka_bridge import admin, replay
from kafka_bridge.tests.support import Topics, message, produce
from kafka_bridge.tests.test_replay_dlq import letter, put
from requests_tracker.tests.admin import said, staff

pytestmark = pytest.mark.django_db

URL = "/admin/kafka_bridge/deadletter/"


@pytest.fixture(autouse=True)
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    """Put a broker of the test's own in the place of the real one."""
    return use(monkeypatch)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (b'{"a": "<b>"}', "{&quot;a&quot;: &quot;&lt;b&gt;&quot;}"),
        (b"\xff", "\N{REPLACEMENT CHARACTER}"),
        (b"x" * 5000, "x\n… 5000 octets in all"),
        (None, '<pre class="dnsorch-data"></pre>'),
    ],
)
def test_a_letter_is_shown_with_all_that_it_says(
    admin_client: Client, topics: Topics, value: bytes | None, shown: str
) -> None:
    put(topics, letter(message(value, offset=9)))
    answer = admin_client.get(URL)
    assert answer.status_code == 200
    text = answer.content.decode()
    for each in (
        shown,
        "<code>zone_not_found</code><br>why",
        "<td>example.test.</td>",
        'href="/admin/requests_tracker/request/?q=019a"',
        f"{topics.requests} / 2 / 9",
        'name="place" value="0:0" aria-label="Choose 0:0">',
    ):
        assert each in text


def test_one_that_cannot_be_put_back_cannot_be_chosen(
    admin_client: Client, topics: Topics
) -> None:
    produce(topics, [b"stray"], topic=topics.dlq)
    text = admin_client.get(URL).content.decode()
    assert "Cannot be put back: The message does not say where it came from" in text
    assert 'aria-label="Choose 0:0" disabled>' in text


def test_pages_lead_to_older_ones_and_back(
    admin_client: Client, topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin, "PER_PAGE", 2)
    put(topics, *(letter(message(b"%d" % number)) for number in range(3)))
    newest = admin_client.get(URL)
    assert [row.value for row in newest.context["rows"]] == ["2", "1"]
    older = newest.context["older"]
    assert f'href="?before={older.replace(":", "%3A").replace(",", "%2C")}"' in (
        newest.content.decode()
    )
    second = admin_client.get(URL, {"before": older})
    assert [row.value for row in second.context["rows"]] == ["0"]
    assert second.context["older"] == ""
    assert '<a class="dnsorch-page" href="?">Newest</a>' in second.content.decode()
    strange = admin_client.get(URL, {"before": "0:x"})
    assert len(strange.context["rows"]) == 2


def test_kafka_that_is_away_is_said(
    admin_client: Client,
    topics: Topics,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.KAFKA_BOOTSTRAP_SERVERS = "127.0.0.1:1"
    monkeypatch.setattr(admin, "READ_TIMEOUT_S", 0.5)
    answer = admin_client.get(URL)
    assert answer.status_code == 503
    text = answer.content.decode()
    assert f"Kafka does not answer: cannot read {topics.dlq}" in text
    assert "Put the chosen ones back" not in text


def test_an_empty_topic_is_said(admin_client: Client, topics: Topics) -> None:
    text = admin_client.get(URL).content.decode()
    assert "There are no dead letters." in text


# --- putting back, which does not touch Kafka here ----------------------------------


def test_those_chosen_are_given_to_a_task(admin_client: Client, broker: Broker) -> None:
    answer = admin_client.post(URL, {"place": ["1:0", "0:12", "0:2", "0:2"]})
    task = OperatorTask.objects.get()
    page = f"/admin/operator_tasks/operatortask/{task.pk}/change/"
    assert answer["Location"] == page
    assert broker.sent == [(replay.TASK, {"places": ["0:2", "0:12", "1:0"]})]
    assert task.about == {"deadletters": "3 dead letters"}
    assert f'<a href="{URL}">3 dead letters</a>' in (
        admin_client.get(page).content.decode()
    )


@pytest.mark.parametrize(
    ("places", "told"),
    [
        ([], ("warning", "Nothing was done: choose at least one letter.")),
        (["0:1", "all"], ("error", "'all' is no place in a topic")),
        (
            [f"0:{number}" for number in range(101)],
            ("error", "at most 100 letters are put back at once"),
        ),
    ],
)
def test_a_choice_that_is_none_starts_nothing(
    admin_client: Client, broker: Broker, places: list[str], told: tuple[str, str]
) -> None:
    answer = admin_client.post(URL, {"place": places})
    assert (answer["Location"], said(answer)) == (URL, [told])
    assert (broker.sent, OperatorTask.objects.count()) == ([], 0)


def test_without_the_broker_it_is_said_and_nothing_is_left(
    admin_client: Client, broker: Broker
) -> None:
    broker.go_down()
    answer = admin_client.post(URL, {"place": ["0:0"]})
    assert said(answer) == [
        ("error", "The broker takes no tasks now, so nothing was started.")
    ]
    assert OperatorTask.objects.count() == 0


def test_who_may_look_only_cannot_put_back(
    client: Client, topics: Topics, broker: Broker
) -> None:
    put(topics, letter(message(b"{}")))
    staff(client, "view_deadletter")
    text = client.get(URL).content.decode()
    assert "zone_not_found" in text
    assert 'name="place"' not in text and "Put the chosen ones back" not in text
    assert client.post(URL, {"place": ["0:0"]}).status_code == 403
    assert broker.sent == []


def test_who_may_not_look_sees_nothing(client: Client, broker: Broker) -> None:
    staff(client, "replay_deadletter")
    assert client.get(URL).status_code == 403
    assert client.post(URL, {"place": ["0:0"]}).status_code == 403
    assert broker.sent == []


def test_putting_back_needs_the_token_of_a_form(broker: Broker) -> None:
    strict = Client(enforce_csrf_checks=True)
    staff(strict, "view_deadletter", "replay_deadletter")
    assert strict.post(URL, {"place": ["0:0"]}).status_code == 403
    assert broker.sent == []
