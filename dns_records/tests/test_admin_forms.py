"""Zones and backends in the admin: written by their services, or not at all."""

from __future__ import annotations

import html
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from dns_records.models import Backend, Change, Lane, Zone
from dns_records.services import backends, delivery
from dns_records.tests import world
from requests_tracker.tests.admin import said, staff

pytestmark = pytest.mark.django_db

ZONES = "/admin/dns_records/zone/"
BACKENDS = "/admin/dns_records/backend/"


def zone_fields(backend: Backend, **fields: Any) -> dict[str, Any]:
    """Return a filled-in form."""
    return {
        "name": "New.example.test",
        "backend": backend.pk,
        "nameservers": "192.0.2.53\n[2001:db8::53]:5353\n192.0.2.53",
        "verify_policy": "all",
        "verify_deadline_s": "60",
        "fencing": "marker",
        "mode": "exclusive",
        "default_ttl": "120",
        "ptr_policy": "on",
        **fields,
    }


@pytest.fixture
def backend() -> Backend:
    """A backend that no zone is on."""
    return backends.save(name="spare", driver="memory", options={})


# --- zones ----------------------------------------------------------------------


def test_a_zone_is_registered_with_its_lane(
    admin_client: Client, backend: Backend
) -> None:
    limits = {"min_ttl": "60", "max_ttl": "3600"}
    answer = admin_client.post(f"{ZONES}add/", zone_fields(backend, **limits))
    assert answer.status_code == 302
    zone = Zone.objects.get()
    assert (zone.min_ttl, zone.max_ttl) == (60, 3600)
    assert (zone.name, zone.backend) == ("new.example.test.", backend)
    assert zone.nameservers == ["192.0.2.53", "[2001:db8::53]:5353"]
    assert (zone.verify_deadline_s, zone.default_ttl) == (60, 120)
    assert zone.ptr_policy == "on"
    assert Lane.objects.get().zone == zone
    assert LogEntry.objects.get().object_id == str(zone.pk)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": "a..b"}, "'a..b' has an empty label"),
        ({"name": "*.example.test"}, "never in the name of a zone"),
        ({"name": "example.test"}, "the zone example.test. is registered already"),
        ({"nameservers": "ns:dns"}, "'ns:dns' is not an address"),
        ({"nameservers": "ns:70000"}, "a port is between 1 and 65535"),
        ({"nameservers": ""}, "the policy all needs a name server"),
        ({"verify_policy": "k-of-n", "verify_k": "3"}, "a number from 1 to 2"),
        ({"verify_policy": "most"}, "Select a valid choice"),
        ({"min_ttl": "300"}, "expected from 300 to 2147483647 seconds"),
        ({"max_ttl": str(2**31)}, "less than or equal to 2147483647"),
        ({"default_ttl": str(2**31)}, "less than or equal to 2147483647"),
    ],
)
def test_the_form_gives_the_service_s_reasons(
    admin_client: Client,
    zone: Zone,
    backend: Backend,
    wrong: dict[str, str],
    message: str,
) -> None:
    answer = admin_client.post(f"{ZONES}add/", zone_fields(backend, **wrong))
    assert answer.status_code == 200
    assert message in html.unescape(answer.content.decode())
    assert list(Zone.objects.all()) == [zone]
    assert Lane.objects.count() == 1


def test_a_zone_is_changed_but_for_its_name(
    admin_client: Client, zone: Zone, backend: Backend
) -> None:
    url = f"{ZONES}{zone.pk}/change/"
    assert "disabled" in str(admin_client.get(url).context["adminform"].form["name"])
    answer = admin_client.post(url, zone_fields(backend, verify_policy="primary"))
    assert answer.status_code == 302
    changed = Zone.objects.get()
    assert (changed.name, changed.backend) == ("example.test.", backend)
    assert changed.verify_policy == "primary"


def test_a_zone_stays_on_its_backend_while_changes_are_on_their_way(
    admin_client: Client, zone: Zone, backend: Backend
) -> None:
    world.add("www", "192.0.2.1")
    answer = admin_client.post(f"{ZONES}{zone.pk}/change/", zone_fields(backend))
    assert answer.status_code == 200
    assert "changes of example.test. are still on their way" in answer.content.decode()
    assert Zone.objects.get().backend == zone.backend
    assert Zone.objects.get().nameservers == []


def test_addresses_stand_one_a_line(admin_client: Client) -> None:
    zone = world.make_zone(nameservers=["192.0.2.1:53", "192.0.2.2:53"])
    answer = admin_client.get(f"{ZONES}{zone.pk}/change/")
    assert "192.0.2.1:53\n192.0.2.2:53</textarea>" in answer.content.decode()


def test_a_zone_is_not_deleted_as_django_does(admin_client: Client, zone: Zone) -> None:
    answer = admin_client.post(f"{ZONES}{zone.pk}/delete/", {"post": "yes"})
    assert answer.status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": [zone.pk], "post": "y"}
    admin_client.post(ZONES, chosen)
    assert Zone.objects.count() == 1


def test_an_empty_zone_is_forgotten(admin_client: Client, zone: Zone) -> None:
    url = f"{ZONES}{zone.pk}/forget/"
    assert 'name="force"' not in admin_client.get(url).content.decode()
    assert Zone.objects.count() == 1
    answer = admin_client.post(url)
    assert answer.headers["Location"] == ZONES
    assert said(answer)[0][0] == "success"
    assert Zone.objects.count() == 0


def test_a_zone_with_records_is_forgotten_by_force_alone(
    admin_client: Client, zone: Zone
) -> None:
    world.add("www", "192.0.2.1")
    delivery.drain(zone.pk)
    Change.objects.update(next_check_at=None)
    url = f"{ZONES}{zone.pk}/forget/"
    assert "Also forget its 1 RRset<" in admin_client.get(url).content.decode()
    ((level, text),) = said(admin_client.post(url))
    assert (level, text.startswith("example.test. still has records")) == (
        "error",
        True,
    )
    assert Zone.objects.count() == 1
    assert admin_client.post(url, {"force": "yes"}).headers["Location"] == ZONES
    assert Zone.objects.count() == 0
    assert world.store_of(zone).rrsets != {}


def test_a_zone_with_changes_on_their_way_is_not_forgotten(
    admin_client: Client, zone: Zone
) -> None:
    world.add("www", "192.0.2.1")
    answer = admin_client.post(f"{ZONES}{zone.pk}/forget/", {"force": "yes"})
    assert said(answer) == [
        ("error", "changes of example.test. are still on their way")
    ]
    assert Zone.objects.count() == 1


def test_forgetting_needs_the_permission_to_delete(client: Client, zone: Zone) -> None:
    staff(client, "change_zone")
    assert "forget/" not in client.get(f"{ZONES}{zone.pk}/change/").content.decode()
    assert client.post(f"{ZONES}{zone.pk}/forget/").status_code == 403
    assert Zone.objects.count() == 1


def test_a_zone_to_forget_that_is_not_there(admin_client: Client) -> None:
    assert admin_client.get(f"{ZONES}1/forget/").status_code == 404


def test_who_may_only_look_sees_the_form_s_values(client: Client, zone: Zone) -> None:
    staff(client, "view_zone")
    url = f"{ZONES}{zone.pk}/change/"
    assert client.get(url).status_code == 200
    assert client.post(url, {}).status_code == 403


# --- backends -------------------------------------------------------------------

NSUPDATE = {
    "name": "bind",
    "driver": "rfc2136",
    "options": '{"server": "192.0.2.53", "key_name": "dnsorch."}',
    "secret_reference": "env:TSIG_KEY",
}


def test_a_backend_is_made_and_changed(admin_client: Client) -> None:
    assert admin_client.post(f"{BACKENDS}add/", NSUPDATE).status_code == 302
    made = Backend.objects.get()
    assert made.options == {"server": "192.0.2.53", "key_name": "dnsorch."}
    url = f"{BACKENDS}{made.pk}/change/"
    changed = {
        **NSUPDATE,
        "name": "other",
        "options": '{"server": "a", "key_name": "b."}',
    }
    assert admin_client.post(url, changed).status_code == 302
    made = Backend.objects.get()
    assert (made.name, made.options) == ("bind", {"server": "a", "key_name": "b."})
    assert made.secret_reference == "env:TSIG_KEY"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": "spare"}, "Backend with this Name already exists"),
        ({"driver": "bind9"}, "Select a valid choice"),
        ({"options": "{}"}, "option 'server' is missing"),
        ({"options": '{"server": "a", "password": "b"}'}, "unknown option 'password'"),
        ({"options": "[1]"}, "Expected a JSON object."),
        ({"options": "{"}, "Enter a valid JSON"),
        ({"secret_reference": ""}, "'key_name' is set, but there is no secret"),
        ({"options": '{"server": "a"}'}, "a secret, but option 'key_name' is empty"),
        ({"secret_reference": "env:NO_BASE64"}, "the TSIG secret is not base64 text"),
        (
            {"options": '{"server": "a", "key_name": "b.", "key_algorithm": "md5"}'},
            "option 'key_algorithm' must be one of hmac-sha1",
        ),
        ({"secret_reference": "c2VjcmV0"}, "A reference is scheme:rest"),
        ({"secret_reference": "vault-token:x"}, "with one of env, file"),
    ],
)
def test_the_form_refuses_a_backend_that_cannot_work(
    admin_client: Client,
    backend: Backend,
    monkeypatch: pytest.MonkeyPatch,
    wrong: dict[str, str],
    message: str,
) -> None:
    monkeypatch.setenv("NO_BASE64", "not-base64!")
    answer = admin_client.post(f"{BACKENDS}add/", {**NSUPDATE, **wrong})
    assert answer.status_code == 200
    page = html.unescape(answer.content.decode())
    assert message in page
    assert "not-base64!" not in page
    assert list(Backend.objects.all()) == [backend]


def test_the_form_names_the_options_of_each_driver(admin_client: Client) -> None:
    text = admin_client.get(f"{BACKENDS}add/").content.decode()
    assert "<li>rfc2136: <code>server</code>" in text
    assert "Never the secret itself" in text


def test_a_backend_is_not_deleted(admin_client: Client, backend: Backend) -> None:
    url = f"{BACKENDS}{backend.pk}/delete/"
    assert admin_client.post(url, {"post": "yes"}).status_code == 403
    assert Backend.objects.count() == 1
