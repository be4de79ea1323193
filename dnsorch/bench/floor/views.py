"""An authenticated view that reads JSON, writes the rows by raw SQL, and answers."""

from __future__ import annotations

import itertools
import json
import time
from functools import cache
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from dnsorch.bench.rows import DIGITS

# Above those of the bench's other writers.
_numbers = itertools.count(9 * 10 ** (DIGITS - 1) + time.time_ns() // 1000 % 10**11)


@cache
def templates() -> dict[str, Any]:
    """Return the INSERTs and the answer of each version of the API."""
    text = (settings.VAR_DIR / "floor.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


class FloorView(APIView):
    """What a POST of that version would cost if it decided nothing."""

    versioning_class = None

    def post(self, request: Request, version: str) -> Response:
        """Write the rows in one transaction, a statement for each table."""
        assert isinstance(request.data, dict)
        template, number = templates()[version], next(_numbers)
        with transaction.atomic(), connection.cursor() as cursor:
            for statement in template["statements"]:
                cursor.execute(statement.replace("{n}", str(number)))
        return Response(template["answer"], 202)
