"""What the commands share that ask for tracked requests about a zone."""

from __future__ import annotations

from typing import Final

from dnsorch.tokens.access import Access
from requests_tracker.models import Source
from requests_tracker.services.idempotency import Answer

REQUESTER: Final = "manage.py"
ACCESS: Final = Access(REQUESTER, Source.COMMAND.value)
DIFFERS: Final = 1
CANNOT_TELL: Final = 2


def made(answer: Answer) -> dict[str, str]:
    """Return the request that an answer is about, and what became of it."""
    status = "queued" if answer.status < 400 else answer.body["detail"]
    return {"id": str(answer.request_id), "status": status}
