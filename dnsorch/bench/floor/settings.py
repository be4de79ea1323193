"""The product's settings with the URLs of the floor: for one process of the bench."""

from dnsorch.settings import *  # noqa: F401, F403

ROOT_URLCONF = "dnsorch.bench.floor.urls"
