"""The root of the API: which versions there are, their schema, their documentation."""

from __future__ import annotations

from django.urls import include, path
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerView
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.views import APIView

from dnsorch import api_versions


class Versions(APIView):
    """The versions of the API, oldest first, with their schema and documentation."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(exclude=True)
    def get(self, request: Request) -> Response:
        """List the versions."""
        return Response(
            {
                "versions": [
                    {
                        "version": name,
                        "schema": reverse(f"{name}:schema", request=request),
                        "docs": reverse(f"{name}:docs", request=request),
                    }
                    for name in api_versions.names()
                ]
            }
        )


class Schema(SpectacularJSONAPIView):
    """OpenAPI 3.1 of one version, as JSON."""

    authentication_classes = ()
    permission_classes = (AllowAny,)


class Docs(SpectacularSwaggerView):
    """Swagger UI of one version; its assets are served from here."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    url_name = "schema"


def urlpatterns() -> api_versions.Routes:
    """Return the URLs of ``/api/``: the list of versions, and each version."""
    routes: api_versions.Routes = [path("", Versions.as_view(), name="versions")]
    for number in api_versions.numbers():
        name = f"v{number}"
        mounted: api_versions.Routes = [
            path("schema/", Schema.as_view(), name="schema"),
            path("docs/", Docs.as_view(), name="docs"),
        ]
        for package in api_versions.serving(number):
            mounted += package.routes()
        routes.append(path(f"{name}/", include((mounted, name), namespace=name)))
    return routes
