"""Zones, backends and the wanted state in the admin; the services write."""

from dns_records.admin.backends import BackendAdmin
from dns_records.admin.drift import DriftAdmin
from dns_records.admin.lanes import BatchAdmin, LaneAdmin
from dns_records.admin.rrsets import ChangeAdmin, RRsetAdmin
from dns_records.admin.zones import ZoneAdmin

__all__ = [
    "BackendAdmin",
    "BatchAdmin",
    "ChangeAdmin",
    "DriftAdmin",
    "LaneAdmin",
    "RRsetAdmin",
    "ZoneAdmin",
]
