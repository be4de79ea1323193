"""Django's entry for requests_tracker."""

from django.apps import AppConfig


class RequestsTrackerConfig(AppConfig):
    """The app and its name in the admin."""

    name = "requests_tracker"
    verbose_name = "Request tracker"
