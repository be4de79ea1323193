"""A small API of the tests' own: the glue without the project's views."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Permission
from django.http import HttpRequest, HttpResponse
from django.urls import path
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from dnsorch import urls
from dnsorch.api import authentication
from dnsorch.api.serializers import StrictSerializer

RAISED: dict[str, Exception] = {}


class Item(StrictSerializer):
    """One field of each kind that matters."""

    name = serializers.CharField(max_length=10)
    ttl = serializers.IntegerField(min_value=0, required=False)
    on = serializers.BooleanField(required=False)
    tags = serializers.ListField(child=serializers.CharField(), required=False)


class Body(StrictSerializer):
    """A body with a list of objects in it."""

    items = Item(many=True)
    id = serializers.UUIDField(read_only=True)


class Echo(APIView):
    """Answers with what it was sent, and who sent it."""

    def get(self, request: Request) -> Response:
        """Say who calls."""
        access = authentication.access(request)
        return Response({"owner": access.owner, "source": access.source})

    def post(self, request: Request) -> Response:
        """Say what was read."""
        return Response({"data": request.data})


class Validated(APIView):
    """Answers with what the serializer took."""

    def post(self, request: Request) -> Response:
        """Validate."""
        body = Body(data=request.data)
        body.is_valid(raise_exception=True)
        return Response(body.validated_data)


class Refuse(BaseThrottle):
    """Lets nobody through."""

    def allow_request(self, request: Request, view: Any) -> bool:
        """Refuse."""
        return False

    def wait(self) -> float:
        """Return a time that is no whole number of seconds."""
        return 2.2


class Throttled(Echo):
    """Throttled for all."""

    throttle_classes = (Refuse,)


class Raise(APIView):
    """Raises the exception that the test has put into ``RAISED``."""

    def get(self, request: Request, name: str) -> Response:
        """Raise it."""
        raise RAISED[name]


class PermissionSerializer(serializers.ModelSerializer[Permission]):
    """What a list shows."""

    class Meta:
        """Enough to tell rows apart."""

        model = Permission
        fields = ("codename",)


class Permissions(ListAPIView[Permission]):
    """A list in the order of three columns, two of them of another table."""

    queryset = Permission.objects.select_related("content_type")
    serializer_class = PermissionSerializer


def plain(request: HttpRequest, name: str) -> HttpResponse:
    """A plain Django view that raises."""
    raise RAISED[name]


def size(request: HttpRequest) -> HttpResponse:
    """A plain Django view that counts the octets of the body."""
    return HttpResponse(str(len(request.body)))


urlpatterns = [
    path("api/echo/", Echo.as_view()),
    path("api/validated/", Validated.as_view()),
    path("api/throttled/", Throttled.as_view()),
    path("api/permissions/", Permissions.as_view()),
    path("api/raise/<name>/", Raise.as_view()),
    path("api/plain/<name>/", plain),
    path("plain/<name>/", plain),
    path("size/", size),
    *urls.urlpatterns,
]
handler400 = urls.handler400
handler403 = urls.handler403
handler404 = urls.handler404
handler500 = urls.handler500
