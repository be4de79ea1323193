"""Plans in the admin: seen before anything is sent, and sent as they were seen."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from dns_records.models import RRset, Zone
from dns_records.services import delivery
from dns_records.tests import world
from dns_records.tests.callers import change, deliver
from dns_records.tests.pretended import ONE, TWO, Servers, served_by
from requests_tracker.models import Request
from requests_tracker.tests.admin import URL, page, said, staff

pytestmark = pytest.mark.django_db

RRSETS = "/admin/dns_records/rrset/"
WRITE, CHANGESET = f"{RRSETS}write/", f"{RRSETS}changeset/"
A1, A2, A3 = "192.0.2.1", "192.0.2.2", "192.0.2.3"
WWW_A = ("www.example.test.", "A")
FORM = {"zone": "example.test", "name": "www", "type": "A", "what": "put"}
FORM |= {"ttl": "60", "records": f"{A1}\n {A2} \n\n", "comment": "by hand"}


def digest(answer: Any) -> str:
    """Return the digest that a plan's page posts back."""
    assert answer.status_code == 200
    (found,) = re.findall(r'name="digest" value="([0-9a-f]{64})"', answer.text)
    return str(found)


def hidden(answer: Any) -> dict[str, str]:
    """Return the form that a plan's page posts back, as a browser does."""
    form = answer.context["hidden"]
    fields = {field.html_name: field.value() or "" for field in form}
    for name in fields:
        assert f'name="{name}"' in answer.text
    return {**fields, "digest": digest(answer)}


# --- one RRset -----------------------------------------------------------------------


def test_an_rrset_is_planned_and_then_written(admin_client: Client, zone: Zone) -> None:
    world.add("www", A3)
    answer = admin_client.post(WRITE, FORM)
    assert [row["name"] for row in answer.context["rows"]] == ["www.example.test."]
    for text in (f"<del>300  {A3}</del>", f"<ins>60  {A1}</ins>"):
        assert text in answer.text
    assert Request.objects.count() == 1

    sent = admin_client.post(WRITE, hidden(answer))
    made = Request.objects.latest("pk")
    assert sent.headers["Location"] == page(made)
    assert said(sent) == [("success", f"sent as {made.pk}")]
    assert (made.status, made.source, made.requester, made.action, made.comment) == (
        *("queued", "admin", "user:admin", "put"),
        "by hand",
    )
    assert world.wanted(zone) == {WWW_A: (60, (A1, A2))}


def test_a_zone_that_moved_is_planned_anew(admin_client: Client, zone: Zone) -> None:
    seen = admin_client.post(WRITE, FORM)
    world.add("www", A3)
    again = admin_client.post(WRITE, hidden(seen))
    assert said(again)[0][0] == "warning"
    assert digest(again) != digest(seen)
    assert world.wanted(zone) == {WWW_A: (300, (A3,))}
    assert Request.objects.count() == 1
    admin_client.post(WRITE, hidden(again))
    assert world.wanted(zone) == {WWW_A: (60, (A1, A2))}


def test_an_rrset_is_deleted(admin_client: Client, zone: Zone) -> None:
    world.add("www", A1)
    answer = admin_client.post(WRITE, {**FORM, "what": "delete"})
    admin_client.post(WRITE, hidden(answer))
    assert world.wanted(zone) == {}


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"records": "300.1.2.3"}, "'300.1.2.3' is not a value of type A"),
        ({"records": ""}, "put needs at least one record"),
        ({"zone": "other.test"}, "no zone other.test. is registered"),
        ({"name": "a..b"}, "a..b"),
        ({"what": "delete"}, "www.example.test. A does not exist"),
        ({"ttl": "-1"}, "greater than or equal to 0"),
    ],
)
def test_what_is_wrong_is_said_in_the_form(
    admin_client: Client, zone: Zone, wrong: dict[str, str], says: str
) -> None:
    answer = admin_client.post(WRITE, {**FORM, **wrong})
    errors = answer.context["form"].errors
    assert says in html.unescape(str(errors))
    assert "digest" not in answer.text
    assert not Request.objects.exists()


def test_unsafe_plans_and_warnings_are_shown(admin_client: Client, zone: Zone) -> None:
    world.post(*(world.draft("create", f"h{i}", "A", A1) for i in range(10)))
    gone = [change("delete", f"h{number}") for number in range(4)]
    more = [change("add", "h9", A1)]
    body = {"zone": "example.test", "changes": json.dumps(gone + more)}
    answer = admin_client.post(CHANGESET, body)
    assert "40% of the zone&#x27;s RRsets would be updated or deleted" in answer.text
    assert f"h9.example.test. A {A1} exists already: nothing to do" in answer.text


def test_the_form_begins_with_what_is_there(admin_client: Client, zone: Zone) -> None:
    world.add("www", A2, A1)
    rrset = RRset.objects.get()
    answer = admin_client.get(f"{RRSETS}{rrset.pk}/change/")
    link = f"{WRITE}?rrset={rrset.pk}"
    assert f'href="{link}"' in answer.text
    form = admin_client.get(link).context["form"]
    assert form.initial == {
        "zone": "example.test.",
        "name": "www.example.test.",
        "type": "A",
        "ttl": 300,
        "records": f"{A1}\n{A2}",
    }
    of_zone = admin_client.get(f"{WRITE}?zone=example.test.").context["form"]
    assert of_zone.initial == {"zone": "example.test."}
    zone_page = admin_client.get(f"/admin/dns_records/zone/{zone.pk}/change/").text
    assert f"{WRITE}?zone=example.test." in zone_page
    assert f"{CHANGESET}?zone=example.test." in zone_page


# --- a change set -------------------------------------------------------------------


def test_a_change_set_is_planned_and_then_sent(
    admin_client: Client, zone: Zone
) -> None:
    changes = [change("create", "www", A1), change("create", "mail", A2)]
    body = {"zone": "example.test", "changes": json.dumps(changes), "comment": ""}
    answer = admin_client.post(CHANGESET, body)
    assert len(answer.context["rows"]) == 2
    admin_client.post(CHANGESET, hidden(answer))
    (made,) = Request.objects.all()
    assert (made.action, made.comment) == ("changeset", None)
    deliver(zone)
    assert sorted(world.served(zone)) == [("mail.example.test.", "A"), WWW_A]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[", "Expecting value"),
        ("{}", "/changes"),
        ('[{"action": "explode", "name": "www", "type": "A"}]', "/changes/0/action"),
    ],
)
def test_what_is_no_change_set(
    admin_client: Client, zone: Zone, text: str, says: str
) -> None:
    answer = admin_client.post(CHANGESET, {"zone": "example.test", "changes": text})
    assert says in str(answer.context["form"].errors["changes"])


# --- revert --------------------------------------------------------------------------


def test_a_request_is_reverted_after_its_plan(admin_client: Client, zone: Zone) -> None:
    request = world.add("www", A1)
    deliver(zone)
    where = f"{URL}{request.pk}/revert/"
    assert f'href="{where}"' in admin_client.get(page(request)).text
    answer = admin_client.get(where)
    assert f"<del>300  {A1}</del>" in answer.text
    assert Request.objects.count() == 1
    sent = admin_client.post(where, {"digest": digest(answer)})
    made = Request.objects.get(revert_of=request)
    assert sent.headers["Location"] == page(made)
    assert (made.status, made.source, made.action) == ("queued", "admin", "revert")
    assert f"{page(request)}" in admin_client.get(page(made)).text
    assert f"{page(made)}" in admin_client.get(page(request)).text
    deliver(zone)
    assert world.served(zone) == {}


def test_a_revert_says_why_not(admin_client: Client, zone: Zone) -> None:
    request = world.add("www", A1)
    where = f"{URL}{request.pk}/revert/"
    assert f'href="{where}"' not in admin_client.get(page(request)).text
    answer = admin_client.get(where)
    assert answer.headers["Location"] == page(request)
    assert said(answer)[0] == (
        "error",
        "a request that is queued cannot be reverted; one that was applied can",
    )
    deliver(zone)
    plan = admin_client.get(where)
    other = world.add("www", A2)
    late = admin_client.post(where, {"digest": digest(plan)})
    assert late.status_code == 302
    assert f"was changed since by request {other.pk}" in said(late)[-1][1]
    assert world.wanted(zone) == {WWW_A: (300, (A1, A2))}


def test_the_action_leads_to_the_plan(admin_client: Client, zone: Zone) -> None:
    one, two = world.add("www", A1), world.add("mail", A1)
    chosen = {"action": "revert", "_selected_action": [str(one.pk)]}
    answer = admin_client.post(URL, chosen)
    assert answer.headers["Location"] == f"{URL}{one.pk}/revert/"
    both = {"action": "revert", "_selected_action": [str(one.pk), str(two.pk)]}
    answer = admin_client.post(URL, both)
    assert said(answer)[0][0] == "error"


# --- history and explanation ----------------------------------------------------------


def test_the_history_of_an_rrset(admin_client: Client, zone: Zone) -> None:
    first = world.add("www", A1)
    second = world.post(world.draft("replace", "www", "A", A2))
    text = admin_client.get(f"{RRSETS}{RRset.objects.get().pk}/change/").text
    assert text.index(page(second)) < text.index(page(first))
    assert f"<pre>300  {A1}</pre>" in text and f"<pre>300  {A2}</pre>" in text
    assert text.count("team-web") == 2


def test_an_rrset_is_explained(admin_client: Client, servers: Servers) -> None:
    zone = served_by(ONE, TWO)
    request = world.add("www", A1)
    delivery.drain(zone.pk)
    servers.serve(ONE, A1)
    servers.serials = {ONE: 42, TWO: 41}
    where = f"{RRSETS}{RRset.objects.get().pk}/explain/"
    answer = admin_client.get(where)
    assert f"{TWO} does not have it yet, serial 41 &lt; 42" in answer.text
    assert page(request) in answer.text
    assert admin_client.get(f"{RRSETS}999/explain/").status_code == 404


# --- permissions ----------------------------------------------------------------------


def test_who_may_only_look_writes_nothing(client: Client, zone: Zone) -> None:
    request = world.add("www", A1)
    deliver(zone)
    staff(client, "view_rrset", "view_request")
    for url in (WRITE, CHANGESET, f"{URL}{request.pk}/revert/"):
        assert client.get(url).status_code == 403
        assert client.post(url, {**FORM, "digest": "0" * 64}).status_code == 403
    shown = client.get(f"{RRSETS}{RRset.objects.get().pk}/change/").text
    assert WRITE not in shown
    assert client.get(f"{RRSETS}{RRset.objects.get().pk}/explain/").status_code == 200
    assert Request.objects.count() == 1


def test_who_may_not_even_look(client: Client, zone: Zone) -> None:
    world.add("www", A1)
    client.force_login(User.objects.create_user("nobody", is_staff=True))
    where = f"{RRSETS}{RRset.objects.get().pk}/explain/"
    assert client.get(where).status_code == 403
