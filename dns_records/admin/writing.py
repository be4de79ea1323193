"""Admin pages that write through a service instead of the model."""

from __future__ import annotations

from typing import Any, TypeVar

from django.db.models import Model
from django.http import HttpRequest

from requests_tracker.admin.base import PlainAdmin

M = TypeVar("M", bound=Model)


class ServiceAdmin(PlainAdmin[M]):
    """A model whose form has a ``write()`` that calls the service."""

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> Any:
        """Write, and let Django's log have what was written."""
        return form.write()

    def save_model(self, request: HttpRequest, obj: M, form: Any, change: bool) -> None:
        """Do nothing: the service has saved it."""

    def save_related(
        self, request: HttpRequest, form: Any, formsets: Any, change: bool
    ) -> None:
        """Do nothing: there are no relations in these forms."""
