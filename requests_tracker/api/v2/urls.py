"""The tracker's URLs in v2."""

from rest_framework.routers import SimpleRouter

from requests_tracker.api.v2.views import RequestViewSet

router = SimpleRouter(use_regex_path=False)
router.register("requests", RequestViewSet, basename="request")
