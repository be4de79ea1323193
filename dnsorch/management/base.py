"""What the commands that work on the database have in common."""

from __future__ import annotations

from django.core.management.base import BaseCommand

from dnsorch import startup


class DatabaseCommand(BaseCommand):
    """A command that does not begin on a database that lacks migrations."""

    requires_migrations_checks = True

    def check_migrations(self) -> None:
        """Refuse where Django would only print a notice.

        Raises:
            ImproperlyConfigured: a migration is missing.
        """
        startup.require_database()
