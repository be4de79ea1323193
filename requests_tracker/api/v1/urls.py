"""The tracker's URLs in v1."""

from rest_framework.routers import SimpleRouter

from requests_tracker.api.v1.views import RequestViewSet

router = SimpleRouter(use_regex_path=False)
router.register("requests", RequestViewSet, basename="request")
