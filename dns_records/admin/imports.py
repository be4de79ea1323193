"""The import and export of a zone, on its page in the admin."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from dns_records import selectors
from dns_records.admin.writing import ServiceAdmin
from dns_records.models import Zone, ZoneImport
from dns_records.services import exports, imports
from dns_records.services.imports import Order
from requests_tracker.admin import base, operating
from requests_tracker.services.acceptance import INSIDE


class ImportForm(forms.Form):
    """What is to be imported."""

    file = forms.FileField(
        required=False,
        label="Zone file",
        help_text="RFC 1035, in UTF-8, less than 1 MiB; larger ones are for the API "
        "or manage.py import_zone. What the server holds the same is taken over, the "
        "rest is sent. Without a file what the server holds is taken over, and "
        "nothing is sent.",
    )


class ImportingAdmin(ServiceAdmin[Zone]):
    """Zones with a page that imports, and one that exports."""

    def get_urls(self) -> list[URLPattern]:
        """Add the two pages."""
        view = self.admin_site.admin_view
        at = "<int:zone_id>"
        return [
            path(
                f"{at}/import/", view(self.import_view), name="dns_records_zone_import"
            ),
            path(
                f"{at}/export/", view(self.export_view), name="dns_records_zone_export"
            ),
            *super().get_urls(),
        ]

    def import_view(self, request: HttpRequest, zone_id: int) -> HttpResponseBase:
        """Show the form, or ask for the import and show its request.

        Raises:
            PermissionDenied: the person may not change zones.
            Http404: there is no such zone.
        """
        if not self.has_change_permission(request):
            raise PermissionDenied
        zone = _zone(zone_id)
        posted = request.method == "POST"
        form = ImportForm(request.POST, request.FILES) if posted else ImportForm()
        if form.is_valid():
            return self._import(request, zone, form.cleaned_data["file"])
        context = {
            **self.admin_site.each_context(request),
            "title": f"Import {zone.name}",
            "opts": self.opts,
            "zone": zone,
            "form": form,
        }
        return TemplateResponse(request, "admin/dns_records/zone/import.html", context)

    def _import(
        self, request: HttpRequest, zone: Zone, file: UploadedFile[bytes] | None
    ) -> HttpResponseBase:
        digest = sha256()
        for chunk in file.chunks() if file else ():
            digest.update(chunk)
        order = Order(
            zone.name,
            file=file.file if file else None,
            digest=digest.hexdigest() if file else "",
        )
        answer = imports.submit(
            order,
            access=base.access(request),
            origin=operating.origin(request, imports.ACTION),
            doorway=INSIDE,
        )
        rejected = answer.status >= 400
        level = messages.ERROR if rejected else messages.SUCCESS
        text = answer.body["detail"] if rejected else f"{zone.name} is imported"
        self.message_user(request, text, level)
        page = "admin:requests_tracker_request_change"
        return HttpResponseRedirect(reverse(page, args=[answer.request_id]))

    def export_view(self, request: HttpRequest, zone_id: int) -> HttpResponseBase:
        """Send the zone as a zone file.

        Raises:
            PermissionDenied: the person may not see zones.
            Http404: there is no such zone.
        """
        if not self.has_view_permission(request):
            raise PermissionDenied
        zone = _zone(zone_id)
        return StreamingHttpResponse(
            exports.chunks(zone),
            content_type=exports.CONTENT_TYPE,
            headers={"Content-Disposition": exports.disposition(zone)},
        )


def last(zone: Zone) -> dict[str, Any] | None:
    """Return how the last import of a zone stands, None if there was none."""
    job = ZoneImport.objects.filter(zone=zone).order_by("-request_id").first()
    if job is None:
        return None
    return {"id": job.pk, "status": job.request.status} | selectors.imports.progress(
        job
    )


def _zone(zone_id: int) -> Zone:
    zone = Zone.objects.select_related("backend").filter(pk=zone_id).first()
    if zone is None:
        raise Http404
    return zone
