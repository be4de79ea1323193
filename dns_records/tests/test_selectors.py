"""Reads of the wanted state, below the API: what somebody may see, and as what."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dns_records import rdata, selectors
from dns_records.models import Change, Record, Zone
from dns_records.selectors import texts
from dns_records.tests import world
from dns_records.tests.callers import deliver
from dnsorch import clock
from dnsorch.exceptions import Invalid, NotFound, ZoneNotFound
from dnsorch.tokens.access import Access
from requests_tracker import selectors as tracker

ALL = Access("team-web")
MAIL = Access("team-mail", zones=frozenset({"mail.test."}))
A1, A2 = "192.0.2.1", "192.0.2.2"


@pytest.fixture
def mail(db: None) -> Zone:
    """A second zone, the only one that ``MAIL`` may see."""
    return world.make_zone("mail.test.")


def test_records_of_the_zones_that_one_may_see(zone: Zone, mail: Zone) -> None:
    world.add("www", A1)
    world.add("mx", A1, zone="mail.test.")
    hidden, shown = Record.objects.order_by("rrset__name").reverse()
    assert set(selectors.records.visible_to(ALL)) == {hidden, shown}
    assert list(selectors.records.visible_to(MAIL)) == [shown]
    assert selectors.records.get(MAIL, shown.pk) == shown
    with pytest.raises(NotFound):
        selectors.records.get(MAIL, hidden.pk)
    assert list(selectors.records.search(MAIL, zone="example.test")) == []


def test_a_zone_that_one_may_not_see_is_not_found(zone: Zone, mail: Zone) -> None:
    assert selectors.zones.get(MAIL, "mail.test.") == mail
    with pytest.raises(ZoneNotFound, match="no zone example.test. is registered"):
        selectors.zones.get(MAIL, "example.test.")
    assert list(selectors.zones.visible_to(MAIL)) == [mail]
    assert list(selectors.zones.visible_to(Access("x", zones=frozenset()))) == []


def test_pending_until_every_name_server_has_it(zone: Zone) -> None:
    """A change that is applied and still to be verified is on its way yet."""
    world.add("www", A1)

    def states() -> tuple[str, str]:
        (record,) = selectors.records.visible_to(ALL)
        (rrset,) = selectors.rrsets.in_zone(zone)
        return selectors.rrsets.state(record), selectors.rrsets.state(rrset)

    for status, expected in (
        ("pending", "pending"),
        ("sent", "pending"),
        ("applied", "live"),
        ("verified", "live"),
        ("superseded", "live"),
        ("failed", "live"),
        ("cancelled", "live"),
    ):
        Change.objects.update(status=status)
        assert states() == (expected, expected), status
    later = clock.now() + timedelta(seconds=5)
    Change.objects.update(status="applied", next_check_at=later)
    assert states() == ("pending", "pending")


def test_one_pending_change_of_several_is_enough(zone: Zone) -> None:
    world.add("www", A1)
    world.add("other", A1)
    deliver(zone)
    world.add("www", A2)
    pending = selectors.rrsets.in_zone(zone, status="pending")
    live = selectors.rrsets.in_zone(zone, status="live")
    assert [each.name for each in pending] == ["www.example.test."]
    assert [each.name for each in live] == ["other.example.test."]


def test_an_absent_rrset_is_not_found(zone: Zone) -> None:
    world.add("www", A1)
    world.post(world.draft("delete", "www"))
    assert list(selectors.rrsets.in_zone(zone)) == []
    with pytest.raises(NotFound, match="there is no RRset www.example.test. A"):
        selectors.rrsets.get(zone, "WWW", "a")


def test_digests_of_a_value_of_any_type() -> None:
    """The same text is rdata of several types, each with a digest of its own."""
    one = selectors.rrsets.digests("192.0.2.1", "A", ".")
    every = selectors.rrsets.digests("192.0.2.1", "", ".")
    assert one == [rdata.parse("A", "192.0.2.1", zone=".").digest]
    assert set(one) < set(every)  # it is a TXT too
    assert len(every) == len(set(every))
    names = selectors.rrsets.digests("a.test.", "", ".")
    for rtype in ("CNAME", "NS", "PTR"):
        assert rdata.parse(rtype, "a.test.", zone=".").digest in names


@pytest.mark.parametrize(("value", "rtype"), [("x", "A"), ("\x01", ""), ("", "")])
def test_what_is_no_rdata_is_refused(value: str, rtype: str) -> None:
    with pytest.raises(Invalid):
        selectors.rrsets.digests(value, rtype, ".")


@pytest.mark.parametrize("most", [0, 1, texts.MAX_FEW])
def test_text_is_found_literally(
    zone: Zone, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What LIKE takes for a wildcard is a character like any other.

    By trigrams, and by a pass where more than so many hold it.
    """
    monkeypatch.setattr(texts, "MAX_FEW", most)
    world.post(world.draft("add", "a_b", "TXT", '"50% off"'))
    world.post(world.draft("add", "axb", "TXT", '"500 off"'))
    for text, names in (("a_b", ["a_b"]), ("50%", ["a_b"]), ("OFF", ["a_b", "axb"])):
        expected = [f"{name}.example.test." for name in names]
        rrsets = selectors.rrsets.in_zone(zone, text=text)
        assert [each.name for each in rrsets] == expected
        found = selectors.records.search(ALL, text=text)
        assert [each.rrset.name for each in found] == expected


def test_counts_do_not_multiply(zone: Zone, mail: Zone) -> None:
    for name in ("a", "b", "c"):
        world.add(name, A1, A2)
    world.post(world.draft("delete", "c"))
    world.add("mx", A1, zone="mail.test.")
    first, second = selectors.zones.visible_to(ALL)
    assert selectors.zones.body(first)["counts"] == {
        "rrsets": 2,
        "records": 4,
        "pending_changes": 4,
    }
    assert selectors.zones.body(second)["counts"]["records"] == 1


def test_bodies_keep_the_order_and_the_timelines_apart(zone: Zone) -> None:
    """The publisher and the API show the same."""
    requests = [world.add(name, A1) for name in ("a", "b", "c")]
    shown = selectors.requests.v2(requests[::-1])
    assert [each["id"] for each in shown] == [str(r.pk) for r in requests[::-1]]
    for body, name in zip(shown, ("c", "b", "a"), strict=True):
        assert [each["name"] for each in body["changes"]] == [f"{name}.example.test."]
        assert [each["sequence"] for each in body["events"]] == [1, 2, 3, 4]
    ids = [request.pk for request in requests]
    bodies = selectors.requests.bodies(ids)
    assert [bodies[pk] for pk in ids] == shown[::-1]
    assert selectors.requests.bodies([]) == {}


def test_a_superseded_change_names_the_request_that_replaced_it(zone: Zone) -> None:
    first, second = world.add("www", A1), world.add("www", A2)
    deliver(zone)
    old, new = selectors.requests.v2([first, second])
    (superseded,), (verified,) = old["changes"], new["changes"]
    assert (superseded["status"], superseded["superseded_by"]) == (
        "superseded",
        str(second.pk),
    )
    assert (verified["status"], verified["superseded_by"]) == ("verified", None)


def test_an_rrset_written_whole_is_shown_as_replaced(zone: Zone) -> None:
    request = world.post(world.draft("put", "www", "A", A1))
    (body,) = selectors.requests.v2([request])
    assert body["changes"][0]["action"] == "replace"


def test_links_say_the_version(zone: Zone) -> None:
    request = world.add("www", A1)
    at = f"/api/v2/requests/{request.pk}/"
    assert tracker.requests.links(request, "v2") == {
        "self": at,
        "events": f"{at}events/",
        "cancel": f"{at}cancel/",
        "revert": f"{at}revert/",
    }
