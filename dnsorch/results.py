"""Where Celery keeps what became of a task: in the database, without secrets."""

from __future__ import annotations

from typing import Any

from django_celery_results.backends import DatabaseBackend

from dnsorch import redaction


class RedactedBackend(DatabaseBackend):  # type: ignore[misc]  # it has no types
    """django-celery-results, whose rows the admin shows."""

    def encode_content(self, data: Any) -> Any:
        """Encode arguments, results and exceptions as always, but redacted."""
        if isinstance(data, str):
            # Arguments come as a text already, which is quoted once more here.
            data = redaction.without_secrets(data)
        kind, encoding, text = super().encode_content(data)
        return kind, encoding, redaction.without_secrets(text)

    def _store_result(
        self,
        task_id: str,
        result: Any,
        status: str,
        traceback: str | None = None,
        **rest: Any,
    ) -> Any:
        if traceback is not None:
            traceback = redaction.without_secrets(traceback)
        return super()._store_result(task_id, result, status, traceback, **rest)
