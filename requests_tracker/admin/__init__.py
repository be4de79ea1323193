"""The tracker in the admin, and what every admin page of dnsorch is made of."""

from django.contrib import admin

from requests_tracker.admin.requests import RequestAdmin

__all__ = ["RequestAdmin"]

admin.site.site_header = admin.site.site_title = "dnsorch"
admin.site.index_title = "DNS changes, tracked and verified"
admin.site.enable_nav_sidebar = False  # the lists need the width
admin.site.site_url = None  # there is no site but this one
