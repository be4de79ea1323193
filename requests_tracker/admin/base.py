"""What the admin pages of dnsorch share: read-only, and never slow by counting."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from django.contrib import admin
from django.contrib.admin import ShowFacets
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from dns_records import names
from dns_records.models import Zone
from dnsorch.exceptions import Invalid
from dnsorch.tokens import services as tokens
from dnsorch.tokens.access import Access

COUNTED = 10_000
SUGGESTED = 100

M = TypeVar("M", bound=Model)

if TYPE_CHECKING:
    # Django's own classes take no type argument when they run.
    _ModelAdmin = admin.ModelAdmin
    _Paginator = Paginator[Any]
else:
    _Paginator = Paginator

    class _ModelAdmin(admin.ModelAdmin):
        def __class_getitem__(cls, _: Any) -> type:
            return cls


class BoundedPaginator(_Paginator):
    """Pages through the first rows only, since counting a million takes seconds.

    Whoever looks for what is further back filters or searches.
    """

    @cached_property
    def count(self) -> int:
        """Return how many rows there are, at most :data:`COUNTED`."""
        rows: Any = self.object_list
        return int(rows.order_by().values("pk")[:COUNTED].count())

    @property
    def is_cut(self) -> bool:
        """Whether there may be more rows than are counted."""
        return self.count >= COUNTED


class PlainAdmin(_ModelAdmin[M]):
    """Lists that stay fast, in the order of the class."""

    change_list_template = "admin/requests_tracker/change_list.html"
    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    sortable_by = ()
    list_per_page = 50
    list_max_show_all = 0

    class Media:
        """The few colours that Django's admin does not have."""

        css = {"all": ("requests_tracker/admin.css",)}

    def has_delete_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        """Refuse: the services own what happens to rows."""
        return False


class ReadOnlyAdmin(PlainAdmin[M]):
    """Pages to look at what the services alone write."""

    change_form_template = "admin/requests_tracker/read_only.html"

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: the services make new rows."""
        return False

    def has_change_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        """Refuse: the services own every write."""
        return False


class TextFilter(admin.SimpleListFilter):
    """A filter that is typed in: there may be too many choices to list them."""

    template = "admin/requests_tracker/text_filter.html"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[Any]:
        """Return no choices."""
        return []

    def has_output(self) -> bool:
        """Show the filter in spite of that."""
        return True

    def suggestions(self) -> list[str]:
        """Return what may be meant."""
        return []

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """Yield what the form needs: its value, and the other filters to keep."""
        others = changelist.params.items()
        yield {
            "name": self.parameter_name,
            "value": self.value() or "",
            "hidden": [pair for pair in others if pair[0] != self.parameter_name],
            "suggestions": self.suggestions(),
            "clear": changelist.get_query_string(remove=[str(self.parameter_name)]),
        }


class ZoneFilter(TextFilter):
    """By zone, as people write it: with or without the final dot."""

    title = "zone"
    parameter_name = "zone"
    lookup = "zone__name"

    def suggestions(self) -> list[str]:
        """Return the first zones."""
        return list(Zone.objects.values_list("name", flat=True)[:SUGGESTED])

    def queryset(self, request: HttpRequest, queryset: QuerySet[M]) -> QuerySet[M]:
        """Return what is in the zone; nothing for what is no name of a zone."""
        if not (text := (self.value() or "").strip()):
            return queryset
        try:
            return queryset.filter(**{self.lookup: names.zone_name(text)})
        except Invalid:
            return queryset.none()


def access(request: HttpRequest) -> Access:
    """Return in whose name a person acts through the admin: on all zones."""
    owner = tokens.SESSION_OWNER + request.user.get_username()
    return Access(owner=owner, source="admin")
