"""Clients of the API with a token each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from dnsorch.tokens import services

MakeClient = Callable[..., APIClient]


@pytest.fixture()
def make_client(db: None) -> MakeClient:
    """Return a function that issues a token and gives a client that bears it."""

    def make(**wanted: Any) -> APIClient:
        issued = services.issue(**{"owner": "team-web", **wanted})
        client = APIClient(raise_request_exception=False)
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {issued.text}")
        return client

    return make


@pytest.fixture()
def api(make_client: MakeClient) -> APIClient:
    """Return a client whose token may do all."""
    return make_client()
