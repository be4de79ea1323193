"""Zones imported and exported in the admin."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from dns_records.models import Zone, ZoneImport
from dns_records.services import import_run
from dns_records.tests.world import add, put_into_dns, wanted
from requests_tracker.models import Request
from requests_tracker.tests.admin import said, staff

pytestmark = pytest.mark.django_db

ZONES = "/admin/dns_records/zone/"
A = "192.0.2.1"


def test_what_the_server_holds_is_imported(admin_client: Client, zone: Zone) -> None:
    put_into_dns(zone, "www.example.test.", "A", A)
    page = f"{ZONES}{zone.pk}/"
    assert f"{page}import/" in admin_client.get(f"{page}change/").content.decode()
    assert "Zone file" in admin_client.get(f"{page}import/").content.decode()

    answer: Any = admin_client.post(f"{page}import/", {})

    request = Request.objects.get()
    assert answer.url == f"/admin/requests_tracker/request/{request.pk}/change/"
    assert said(answer) == [("success", "example.test. is imported")]
    assert (request.source, request.requester) == ("admin", "user:admin")
    assert "reading, 0 records" in admin_client.get(answer.url).content.decode()
    import_run.run(zone.pk)
    for url in (answer.url, f"{page}change/"):
        text = admin_client.get(url).content.decode()
        assert '<progress max="100" value="100"' in text
        assert "1 of 1 records" in text
    assert wanted(zone)


def test_a_zone_file_is_imported(admin_client: Client, zone: Zone) -> None:
    file = SimpleUploadedFile("zone", f"$TTL 60\nwww A {A}\n".encode())
    admin_client.post(f"{ZONES}{zone.pk}/import/", {"file": file})
    assert ZoneImport.objects.get().source == "file"
    import_run.run(zone.pk)
    assert wanted(zone) == {("www.example.test.", "A"): (60, (A,))}


def test_a_wrong_zone_file_is_told(admin_client: Client, zone: Zone) -> None:
    file = SimpleUploadedFile("zone", b"$TTL 60\nwww A x\n")
    answer: Any = admin_client.post(f"{ZONES}{zone.pk}/import/", {"file": file})
    ((level, text),) = said(answer)
    assert level == "error" and "line 2: " in text
    assert Request.objects.get().status == "rejected"


def test_export(admin_client: Client, zone: Zone) -> None:
    add("www", A)
    answer: Any = admin_client.get(f"{ZONES}{zone.pk}/export/")
    assert answer.headers["Content-Type"] == "text/dns; charset=utf-8"
    text = b"".join(answer.streaming_content).decode()
    assert "www.example.test. 300 IN A 192.0.2.1\n" in text


def test_importing_needs_the_permission_to_change(client: Client, zone: Zone) -> None:
    staff(client, "view_zone")
    page = f"{ZONES}{zone.pk}/"
    assert "import/" not in client.get(f"{page}change/").content.decode()
    assert client.get(f"{page}import/").status_code == 403
    assert client.post(f"{page}import/").status_code == 403
    assert client.get(f"{page}export/").status_code == 200


def test_a_zone_that_is_not_there(admin_client: Client) -> None:
    for page in ("import", "export"):
        assert admin_client.get(f"{ZONES}1/{page}/").status_code == 404
