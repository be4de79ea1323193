"""Reads of the wanted state and of what became of changes."""

from dns_records.selectors import records, requests, rrsets, zones

__all__ = ["records", "requests", "rrsets", "zones"]
