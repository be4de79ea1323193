"""Commands of manage.py, run as a shell would."""

from __future__ import annotations

from io import StringIO

from django.core.management import call_command


def run(command: str, *arguments: str) -> tuple[int, str]:
    """Run a command; return its exit code and what it prints."""
    out = StringIO()
    try:
        call_command(command, *arguments, stdout=out)
    except SystemExit as ended:
        return int(str(ended.code)), out.getvalue()
    return 0, out.getvalue()
