"""What the commands that work on the database have in common."""

from __future__ import annotations

from django.core.management.base import BaseCommand

from dnsorch import startup


class DatabaseCommand(BaseCommand):
    """A command that does not begin on a database that lacks migrations.

    It leaves Django's system checks to the API: they import all that is served there,
    which processes that stay would keep in memory.
    """

    requires_migrations_checks = True
    requires_system_checks: list[str] = []

    def check_migrations(self) -> None:
        """Refuse where Django would only print a notice.

        Raises:
            ImproperlyConfigured: a migration is missing.
        """
        startup.require_database()
