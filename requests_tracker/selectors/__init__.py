"""Reads of the tracker."""

from requests_tracker.selectors import requests

__all__ = ["requests"]
