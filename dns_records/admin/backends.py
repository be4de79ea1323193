"""Backends in the admin: made and changed through their service."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from dns_records.admin.forms import BackendForm
from dns_records.admin.writing import ServiceAdmin
from dns_records.models import Backend


@admin.register(Backend)
class BackendAdmin(ServiceAdmin[Backend]):
    """A short list, and a form that says what a driver wants to know."""

    form = BackendForm
    list_display = ("name", "driver", "options", "secret_reference", "updated_at")
    list_filter = ("driver",)
    search_fields = ("name",)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Begin with the driver that most will want."""
        return {"driver": "rfc2136"} | super().get_changeform_initial_data(request)
