"""The URLs of zones, RRsets and change sets in v2."""

from django.urls import path, re_path
from rest_framework.routers import SimpleRouter

from dns_records.api.v2.changesets import ChangesetViewSet
from dns_records.api.v2.drift import DriftViewSet
from dns_records.api.v2.explain import ExplainViewSet
from dns_records.api.v2.history import HistoryViewSet
from dns_records.api.v2.rrsets import RRsetViewSet
from dns_records.api.v2.zone_life import CheckView, ExportView, ImportView
from dns_records.api.v2.zones import ZoneViewSet

router = SimpleRouter()
router.register("zones", ZoneViewSet, basename="zone")
router.register("changesets", ChangesetViewSet, basename="changeset")

# An RRset has two names, which a router cannot say; an owner name may hold a slash
# (RFC 2317).
RRSETS = r"zones/(?P<zone>[^/]+)/rrsets/"
RRSET = rf"{RRSETS}(?P<name>.+)/(?P<rtype>[^/]+)/"
rrsets = RRsetViewSet.as_view({"get": "list"})
rrset = RRsetViewSet.as_view({"get": "retrieve", "put": "update", "delete": "destroy"})
history = HistoryViewSet.as_view({"get": "list"})
explain = ExplainViewSet.as_view({"get": "retrieve"})
audit = DriftViewSet.as_view({"post": "audit"})
drift = DriftViewSet.as_view({"get": "list"})
resolve = DriftViewSet.as_view({"post": "resolve"})

ZONE = r"zones/(?P<zone>[^/]+)/"
zone_import = ImportView.as_view({"post": "create"})
zone_export = ExportView.as_view({"get": "retrieve"})
zone_check = CheckView.as_view({"post": "create"})

urlpatterns = [
    path("explain/", explain, name="explain"),
    re_path(rf"^{ZONE}import/$", zone_import, name="zone-import"),
    re_path(rf"^{ZONE}export/$", zone_export, name="zone-export"),
    re_path(rf"^{ZONE}check/$", zone_check, name="zone-check"),
    re_path(rf"^{RRSETS}$", rrsets, name="rrset-list"),
    # Before the RRset itself: no type is called "history".
    re_path(rf"^{RRSET}history/$", history, name="rrset-history"),
    re_path(rf"^{RRSET}$", rrset, name="rrset-detail"),
    re_path(rf"^{ZONE}audit/$", audit, name="zone-audit"),
    re_path(rf"^{ZONE}drift/$", drift, name="drift-list"),
    re_path(rf"^{ZONE}drift/resolve/$", resolve, name="drift-resolve"),
    *router.urls,
]
