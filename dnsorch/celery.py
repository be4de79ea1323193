"""The Celery application of the workers."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dnsorch.settings")

app = Celery("dnsorch")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
