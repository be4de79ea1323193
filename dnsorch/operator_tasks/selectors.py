"""Operator tasks as others ask for them."""

from __future__ import annotations

import json

from django.db.models import QuerySet

from dnsorch.operator_tasks.models import OperatorTask


def about(name: str) -> QuerySet[OperatorTask]:
    """Return the tasks that are about what is called ``name``, the newest first."""
    # JSON in a text column: a name with its quotes is never a part of another one.
    quoted = json.dumps(name)
    tasks: QuerySet[OperatorTask] = OperatorTask.objects.filter(meta__contains=quoted)
    return tasks.order_by("-date_created", "-pk")
