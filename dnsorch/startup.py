"""How a process ends that cannot start: with one sentence, not with a traceback.

Every process goes through here: ``manage.py``, the Celery worker, the WSGI
application. What is wrong with the settings is found by :mod:`dnsorch.environment`
while they are read, what is wrong with what they name by
:mod:`dnsorch.configuration` when Django is set up; both raise ImproperlyConfigured.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from traceback import walk_tb

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from dnsorch.exceptions import SecretUnavailable

# The hook of Django's database backends in which a connection is made.
CONNECTING = "get_new_connection"


@contextmanager
def one_sentence() -> Iterator[None]:
    """End the process with exit code 1 and a sentence, if it is set up wrongly.

    Every other error is a fault of the program and keeps its traceback.
    """
    try:
        yield
    except (ImproperlyConfigured, SecretUnavailable, DatabaseError) as error:
        if not _is_of_setup(error):
            raise
        sys.exit(f"dnsorch: {_sentence(error)}")


def require_database() -> None:
    """Stop the start of a process that works on the database.

    Raises:
        ImproperlyConfigured: a migration is missing there.
        DatabaseError: it cannot be reached, as :func:`one_sentence` will say.
    """
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if plan:
        first = plan[0][0]
        raise ImproperlyConfigured(
            f"{_database()} lacks {len(plan)} migration(s), first {first}: "
            "run manage.py migrate_locked"
        )


def spare_what_stays() -> None:
    """Keep the garbage collector off the modules, which stay as long as the process.

    It looks at them whenever many objects are made: an eighth of a second within a
    request, a fourth of the CPU of an import.
    """
    gc.collect()
    gc.freeze()


def _is_of_setup(error: Exception) -> bool:
    return not isinstance(error, DatabaseError) or any(
        frame.f_code.co_name == CONNECTING for frame, _ in walk_tb(error.__traceback__)
    )


def _sentence(error: Exception) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, DatabaseError):
        # libpq says where it was; the name of the database it leaves out.
        reason = text.rpartition("failed: ")[2].partition(" Is the server running")[0]
        return f"{_database()} cannot be used: {reason}"
    return text


def _database() -> str:
    """Name the database, without user and password."""
    found = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"the database {found['NAME']}"
    where = f"{found['HOST'] or 'the local socket'}:{found['PORT'] or 5432}"
    return f"the database {found['NAME']!r} at {where}"
