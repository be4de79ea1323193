"""Where the URLs of dnsorch begin."""

from __future__ import annotations

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from dnsorch import health
from dnsorch.api import root

# Not when Django is set up: processes that serve nothing do without a fifth of their
# memory.
admin.autodiscover()

urlpatterns: list[URLPattern | URLResolver] = [
    path("admin/", admin.site.urls),
    path("api/", include(root.urlpatterns())),
    *health.urlpatterns,
]

handler400 = "dnsorch.api.errors.bad_request"
handler403 = "dnsorch.api.errors.permission_denied"
handler404 = "dnsorch.api.errors.not_found"
handler500 = "dnsorch.api.errors.server_error"
