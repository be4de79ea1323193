"""/api/v2/zones/{zone}/import/, export/, check/: taken over, given, looked at."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponseBase, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, viewsets
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response

from dns_records import names
from dns_records.api import schemas
from dns_records.models import Zone
from dns_records.services import (
    exports,
    import_preview,
    imports,
    nameserver_check,
    zones,
)
from dns_records.services.imports import Order
from dnsorch.api.parsers import StrictJSONParser, ZoneFileBody, ZoneFileParser
from dnsorch.api.schema import problems
from dnsorch.api.serializers import StrictSerializer
from dnsorch.operator_tasks.outcome import Level
from requests_tracker.api.schemas import LeftOutSchema, RequestV2
from requests_tracker.api.tracking import TrackedView, thread_to_wait, validated
from requests_tracker.api.v2.views import DOORWAY, body

DRY_RUN_S = 20.0
SOURCES = ("transfer", "api")
WHICH = OpenApiParameter("zone", str, OpenApiParameter.PATH, description="A zone.")


class ImportBody(StrictSerializer):
    """What is to be imported; by default what the server holds, in its own way."""

    source = serializers.ChoiceField(  # type: ignore[assignment]
        choices=SOURCES, required=False
    )


class PreviewSchema(serializers.Serializer[object]):
    """What an import would do, by the number of RRsets."""

    zone = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]
    records = serializers.IntegerField()
    counts = serializers.DictField(child=serializers.IntegerField())
    left_out = LeftOutSchema(many=True)


class CheckedSchema(serializers.Serializer[object]):
    """What one name server says of a zone."""

    address = serializers.CharField()
    authoritative = serializers.BooleanField()
    serial = serializers.IntegerField(allow_null=True)
    error = serializers.CharField(allow_null=True)
    level = serializers.ChoiceField(choices=[each.value for each in Level])
    detail = serializers.CharField()


class CheckSchema(serializers.Serializer[object]):
    """Whether each name server answers for a zone, the update server first."""

    zone = serializers.CharField()
    ok = serializers.BooleanField()
    nameservers = CheckedSchema(many=True)


class ZoneFileRenderer(JSONRenderer):
    """Lets clients accept zone files; what it renders itself are problems."""

    media_type = ZoneFileParser.media_type
    format = "dns"


class ImportView(TrackedView, viewsets.GenericViewSet[Zone]):
    """The import of a zone."""

    queryset = Zone.objects.none()
    parser_classes = [StrictJSONParser, ZoneFileParser]
    tracked_actions = {"create": imports.ACTION}

    @extend_schema(
        operation_id="zones_import_create",
        request={
            "application/json": ImportBody,
            ZoneFileParser.media_type: OpenApiTypes.STR,
        },
        parameters=[WHICH, *schemas.WRITE],
        responses={
            200: schemas.or_preview("RequestOrPreview", RequestV2, PreviewSchema),
            202: RequestV2,
            **problems(404, 409, 422),
        },
    )
    def create(self, request: HttpRequest, zone: str) -> Response:
        """Take over what the server holds, or a zone file."""
        asked: Any = request.data
        if isinstance(asked, ZoneFileBody):
            with asked.file:
                return self._import(Order(zone, file=asked.file, digest=asked.digest))
        wanted = validated(ImportBody, asked)
        return self._import(Order(zone, wanted.get("source", "")))

    def _import(self, order: Order) -> Response:
        if self.dry_run:
            with thread_to_wait():
                found = import_preview.preview(
                    order, access=self.access, within_s=DRY_RUN_S
                )
            return Response(found)
        answer = imports.submit(
            order,
            access=self.access,
            origin=self.origin(imports.ACTION),
            doorway=DOORWAY,
        )
        return self.answer(answer, body)


class ExportView(TrackedView, viewsets.GenericViewSet[Zone]):
    """The export of a zone."""

    queryset = Zone.objects.none()
    renderer_classes = [JSONRenderer, ZoneFileRenderer]

    @extend_schema(
        operation_id="zones_export_retrieve",
        parameters=[WHICH, OpenApiParameter("format", exclude=True)],
        responses={
            (200, ZoneFileParser.media_type): OpenApiTypes.STR,
            **problems(404),
        },
    )
    def retrieve(self, request: HttpRequest, zone: str) -> HttpResponseBase:
        """Return the zone as a zone file: what is wanted, now."""
        found = zones.get(self.access, names.zone_name(zone))
        return StreamingHttpResponse(
            exports.chunks(found),
            content_type=exports.CONTENT_TYPE,
            headers={"Content-Disposition": exports.disposition(found)},
        )


class CheckView(TrackedView, viewsets.GenericViewSet[Zone]):
    """The check of a zone's name servers."""

    queryset = Zone.objects.none()

    @extend_schema(
        operation_id="zones_check_create",
        request=None,
        parameters=[WHICH],
        responses={200: CheckSchema, **problems(404)},
    )
    def create(self, request: HttpRequest, zone: str) -> Response:
        """Ask each name server of the zone whether it answers for it."""
        found = zones.get(self.access, names.zone_name(zone))
        with thread_to_wait():
            asked = nameserver_check.ask(found)
        answers = [
            {
                "address": report.address,
                "authoritative": report.serial is not None,
                "serial": report.serial,
                "error": report.error,
                "level": finding.level.value,
                "detail": finding.text,
            }
            for report, finding in asked
        ]
        ok = bool(answers) and all(each["level"] == Level.OK for each in answers)
        return Response({"zone": found.name, "ok": ok, "nameservers": answers})
