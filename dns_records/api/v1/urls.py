"""The URLs of DNS records in v1."""

from rest_framework.routers import SimpleRouter

from dns_records.api.v1.views import RecordViewSet

router = SimpleRouter(use_regex_path=False)
router.register("dns-records", RecordViewSet, basename="dns-record")
