"""The WSGI application that granian serves."""

import os
from importlib import import_module

from django.core.wsgi import get_wsgi_application

from dnsorch import startup

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dnsorch.settings")

with startup.one_sentence():
    application = get_wsgi_application()

    # A server runs no system checks; a version it cannot serve must stop it all the
    # same. Imported here, because it needs Django to be set up.
    from django.conf import settings

    from dnsorch import api_versions

    api_versions.require_servable()
    # Not within the first request.
    import_module(settings.ROOT_URLCONF)

startup.spare_what_stays()
