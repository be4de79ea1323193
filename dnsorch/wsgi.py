"""The WSGI application that granian serves."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dnsorch.settings")

application = get_wsgi_application()

# A server runs no system checks; a version it cannot serve must stop it all the same.
from dnsorch import api_versions  # noqa: E402

api_versions.require_servable()
