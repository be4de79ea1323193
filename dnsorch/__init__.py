"""dnsorch: DNS changes, tracked, ordered and verified."""

from dnsorch.celery import app as celery_app

__all__ = ["celery_app"]
