"""The Celery application of the workers."""

import os
from typing import Any

import django
from celery import Celery
from celery.signals import celeryd_init
from django.apps import apps

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dnsorch.settings")

app = Celery("dnsorch")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


def set_up_django(**kwargs: Any) -> None:
    """Set Django up before Celery does, which would hide what is wrong.

    Celery logs what a receiver of its signals raises, and goes on; SystemExit it lets
    through. Anywhere but in a worker Django is set up already, or about to be.
    """
    from dnsorch import startup

    if not (apps.ready or apps.loading):
        with startup.one_sentence():
            django.setup()


def require_database(**kwargs: Any) -> None:
    """Refuse to take work that would fail for want of a table."""
    from dnsorch import startup

    with startup.one_sentence():
        startup.require_database()


app.on_configure.connect(set_up_django, weak=False)
celeryd_init.connect(require_database, weak=False)
