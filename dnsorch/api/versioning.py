"""Which version of the API a request is for."""

from __future__ import annotations

from rest_framework.versioning import NamespaceVersioning

from dnsorch import api_versions


class DiscoveredVersioning(NamespaceVersioning):
    """The version is the URL's namespace; allowed is what was found on disk."""

    @property
    def allowed_versions(self) -> tuple[str, ...]:  # type: ignore[override]
        """Return the names of all versions."""
        return api_versions.names()
