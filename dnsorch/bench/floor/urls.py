"""The one URL of the floor."""

from django.urls import path

from dnsorch.bench.floor.views import FloorView

urlpatterns = [path("floor/<version>/", FloorView.as_view())]

handler404 = "dnsorch.api.errors.not_found"
handler500 = "dnsorch.api.errors.server_error"
